// The provider's report lies outside what Sycee counted. The bill stays with
// the own count; both counts are shown so that the two sides can talk.
import type { Receipt } from "../../api/types";
import { Standing } from "../../parts/figures";
import { useText } from "../../text/text";

export function DisputeSection({ receipt }: { receipt: Receipt }) {
  const { t, word } = useText();
  const reported = Object.entries(receipt.reported ?? {}).filter(([, value]) => typeof value !== "object");
  return (
    <section className="dispute">
      <h2>
        <Standing tone="warn">{t("dispute.title")}</Standing>
      </h2>
      <p>{t("dispute.text")}</p>
      {reported.length > 0 && (
        <dl className="facts">
          {reported.map(([name, value]) => (
            <div key={name}>
              <dt>{t("dispute.reported", { name: word("bucket", name) })}</dt>
              <dd className="number">{String(value)}</dd>
            </div>
          ))}
        </dl>
      )}
    </section>
  );
}
