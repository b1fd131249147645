// What was counted: every bucket as count × price = amount, down to the total.
import type { Receipt } from "../../api/types";
import { count } from "../../format/numbers";
import { Exact, Price } from "../../parts/figures";
import { Scroll } from "../../parts/table";
import { useText } from "../../text/text";

export function CountedSection({ receipt }: { receipt: Receipt }) {
  const { t, word, locale } = useText();
  const tokens = receipt.lines.reduce((sum, line) => sum + line.count, 0);
  return (
    <section>
      <h2>{t("counted.title")}</h2>
      <p className="section-text">
        {receipt.basis && word("basis", receipt.basis)} {receipt.capped && t("counted.capped")}
      </p>
      <Scroll label={t("counted.title")}>
        <table className="statement">
          <caption className="unseen">{t("counted.title")}</caption>
          <thead>
            <tr>
              <th scope="col">{t("counted.bucket")}</th>
              <th scope="col" className="num">
                {t("counted.count")}
                <span className="unit">{t("unit.tokens")}</span>
              </th>
              <th scope="col" className="num">
                {t("counted.price")}
                <span className="unit">{t("unit.per_million", { asset: receipt.asset })}</span>
              </th>
              <th scope="col" className="num">
                {t("counted.amount")}
                <span className="unit">{receipt.asset}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {receipt.lines.map((line) => (
              <tr key={line.bucket}>
                <th scope="row">{word("bucket", line.bucket)}</th>
                <td className="num">{count(line.count, locale)}</td>
                <td className="num">
                  <span className="operator" aria-hidden="true">
                    ×
                  </span>
                  <Price amount={line.price} />
                </td>
                <td className="num">
                  <span className="operator" aria-hidden="true">
                    =
                  </span>
                  <Exact amount={line.amount} />
                </td>
              </tr>
            ))}
          </tbody>
          <tfoot>
            <tr>
              <th scope="row">{t("counted.total")}</th>
              <td className="num">{count(tokens, locale)}</td>
              <td />
              <td className="num" data-testid="counted-total">
                <Exact amount={receipt.total} />
              </td>
            </tr>
          </tfoot>
        </table>
      </Scroll>
    </section>
  );
}
