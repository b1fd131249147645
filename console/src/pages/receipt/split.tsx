// Who was paid: a bar and a table of named parties with their roles. The page
// adds the parts itself and says whether they make the total.
import type { Receipt, SplitLine } from "../../api/types";
import { addMoney, compareMoney, moneyString, parseMoney, sharePpm } from "../../format/money";
import { percent } from "../../format/numbers";
import { Exact, Party, Standing } from "../../parts/figures";
import { Scroll } from "../../parts/table";
import { useText } from "../../text/text";

export function SplitSection({ receipt }: { receipt: Receipt }) {
  const { t, word, locale } = useText();
  const total = parseMoney(receipt.total);
  const sum = addMoney(receipt.split.map(({ amount }) => amount));
  const adds = compareMoney(sum, total) === 0;
  const shares = receipt.split.map((line) => ({ ...line, ppm: sharePpm(parseMoney(line.amount), total) }));
  return (
    <section>
      <h2>{t("split.title")}</h2>
      <Bar shares={shares} />
      <Scroll label={t("split.title")}>
        <table className="statement">
          <caption className="unseen">{t("split.title")}</caption>
          <thead>
            <tr>
              <th scope="col">{t("split.party")}</th>
              <th scope="col">{t("split.role")}</th>
              <th scope="col" className="num">
                {t("split.share")}
              </th>
              <th scope="col" className="num">
                {t("counted.amount")}
                <span className="unit">{receipt.asset}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {shares.map(({ party, account, role, amount, ppm }) => (
              <tr key={`${account} ${role}`}>
                <th scope="row">
                  <span className={`swatch share-${role}`} aria-hidden="true" />
                  <Party name={party} account={account} />
                </th>
                <td>{word("role", role)}</td>
                <td className="num">{percent(ppm, locale, 2)}</td>
                <td className="num">
                  <Exact amount={amount} />
                </td>
              </tr>
            ))}
          </tbody>
          <tfoot>
            <tr>
              <th scope="row" colSpan={3}>
                {t("split.sum")}{" "}
                <span className="sum-check">
                  <Standing tone={adds ? "good" : "bad"}>
                    {t(adds ? "split.adds" : "split.adds_not")}
                  </Standing>
                </span>
              </th>
              <td className="num" data-testid="split-total">
                <Exact amount={moneyString(sum)} />
              </td>
            </tr>
          </tfoot>
        </table>
      </Scroll>
    </section>
  );
}

function Bar({ shares }: { shares: readonly (SplitLine & { ppm: number })[] }) {
  const { t, word, locale } = useText();
  const paid = shares.filter(({ ppm }) => ppm > 0);
  const words = paid.map(
    ({ party, role, ppm }) => `${party} (${word("role", role)}) ${percent(ppm, locale)}`,
  );
  return (
    <div className="split-bar" role="img" aria-label={`${t("split.title")}: ${words.join(", ")}`}>
      {paid.map(({ party, account, role, ppm }) => (
        <span
          key={`${account} ${role}`}
          className={`share-${role}`}
          style={{ flexGrow: ppm }}
          title={party}
        />
      ))}
    </div>
  );
}
