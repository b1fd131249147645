// A receipt is a document: it can be read from top to bottom, printed and
// sent. Who and when; what was counted; who was paid; the energy; what
// happened; and where the proof is.
import { useReceipt } from "../../api/queries";
import type { Receipt } from "../../api/types";
import { useTitle } from "../../app/title";
import { count } from "../../format/numbers";
import { Copy, Exact, Id } from "../../parts/figures";
import { ProblemNote } from "../../parts/states";
import { Say, useText } from "../../text/text";
import { CountedSection } from "./counted";
import { DisputeSection } from "./dispute";
import { EnergySection } from "./energy";
import { FactsSection } from "./facts";
import { ProofSection } from "./proof";
import { ReceiptBones } from "./receipt-bones";
import { SplitSection } from "./split";
import { TimelineSection } from "./timeline";

export function ReceiptPage({ id }: { id: string }) {
  const { t } = useText();
  useTitle(`${t("receipt.title")} ${id.slice(-8)}`);
  const { data, error, refetch } = useReceipt(id);
  if (error) return <ProblemNote cause={error} retry={refetch} />;
  if (!data) return <ReceiptBones />;
  return (
    <article className="sheet">
      <Head receipt={data} />
      <FactsSection receipt={data} />
      {data.dispute && <DisputeSection receipt={data} />}
      {data.lines.length > 0 ? (
        <>
          <CountedSection receipt={data} />
          <SplitSection receipt={data} />
          <EnergySection receipt={data} />
        </>
      ) : (
        <section>
          <h2>{t("counted.title")}</h2>
          <p className="section-text">{t("counted.nothing")}</p>
        </section>
      )}
      <TimelineSection receipt={data} />
      <ProofSection receipt={data} />
    </article>
  );
}

function Head({ receipt }: { receipt: Receipt }) {
  const { t, locale } = useText();
  const tokens = Object.values(receipt.buckets).reduce((sum, tokens) => sum + tokens, 0);
  return (
    <header className="receipt-head">
      <div className="receipt-name">
        <h1>{t("receipt.title")}</h1>
        <p>
          <Id value={receipt.id} /> <Copy text={receipt.id} />
        </p>
      </div>
      <p className="receipt-total">
        <span className="receipt-total-label">{t("receipt.total")}</span>
        <span className="receipt-total-figure">
          <Exact amount={receipt.total} /> <span className="receipt-asset">{receipt.asset}</span>
        </span>
      </p>
      <p className="receipt-sentence">
        {receipt.model_name ? (
          <Say
            of="receipt.sentence"
            consumer={<strong>{receipt.consumer}</strong>}
            tokens={<strong>{count(tokens, locale)}</strong>}
            model={<strong>{receipt.model_name}</strong>}
            site={<strong>{receipt.site_name}</strong>}
          />
        ) : (
          <Say of="receipt.sentence.nothing" consumer={<strong>{receipt.consumer}</strong>} />
        )}
      </p>
      <button type="button" className="button no-print" onClick={() => window.print()}>
        {t("receipt.print")}
      </button>
    </header>
  );
}
