// The receipt's layout before its figures.
import { Bone, BoneRows } from "../../parts/states";
import { useText } from "../../text/text";

const FACTS = 9;

export function ReceiptBones() {
  const { t } = useText();
  return (
    <article className="sheet" aria-busy="true">
      <p className="unseen" role="status">
        {t("loading")}
      </p>
      <header className="receipt-head">
        <div className="receipt-name">
          <h1>{t("receipt.title")}</h1>
          <p>
            <Bone width="24em" />
          </p>
        </div>
        <p className="receipt-total">
          <span className="receipt-total-label">{t("receipt.total")}</span>
          <span className="receipt-total-figure">
            <Bone width="6em" />
          </span>
        </p>
      </header>
      <dl className="facts">
        {Array.from({ length: FACTS }, (_, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: placeholders have no identity
          <div key={at}>
            <dt>
              <Bone width="5em" />
            </dt>
            <dd>
              <Bone width="10em" />
            </dd>
          </div>
        ))}
      </dl>
      <section>
        <h2>{t("counted.title")}</h2>
        <table className="statement">
          <tbody>
            <BoneRows rows={4} columns={4} />
          </tbody>
        </table>
      </section>
    </article>
  );
}
