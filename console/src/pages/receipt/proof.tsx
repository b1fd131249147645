// Where this receipt lies in the log, what its leaf is, and which signed
// checkpoint covers it.
import { useLog } from "../../api/queries";
import type { Receipt } from "../../api/types";
import { count } from "../../format/numbers";
import { Command, Copy, Id, Standing } from "../../parts/figures";
import { useText } from "../../text/text";

export function ProofSection({ receipt }: { receipt: Receipt }) {
  const { t, locale } = useText();
  const { data: log } = useLog();
  const checkpoint = receipt.checkpoint_position;
  const covered = checkpoint !== null && checkpoint >= receipt.position;
  return (
    <section className="proof">
      <h2>{t("proof.title")}</h2>
      <p className="section-text">{t("proof.text")}</p>
      <Chain position={receipt.position} checkpoint={covered ? checkpoint : null} />
      <dl className="facts">
        <div>
          <dt>{t("proof.position")}</dt>
          <dd className="number">{count(receipt.position, locale)}</dd>
        </div>
        <div>
          <dt>{t("proof.checkpoint")}</dt>
          <dd>
            {covered ? (
              <Standing tone="good">{t("proof.covered", { position: count(checkpoint, locale) })}</Standing>
            ) : (
              <Standing tone="quiet">{t("proof.not_covered")}</Standing>
            )}
          </dd>
        </div>
        {log && (
          <div>
            <dt>{t("proof.log")}</dt>
            <dd>
              {log.origin} <Id value={log.log_id} short />
            </dd>
          </div>
        )}
        <div className="fact-wide">
          <dt>{t("proof.leaf")}</dt>
          <dd>
            <Id value={receipt.leaf} /> <Copy text={receipt.leaf} />
          </dd>
        </div>
        {receipt.leaf_data && (
          <div className="fact-wide">
            <dt>{t("proof.leaf_data")}</dt>
            <dd>
              <Id value={receipt.leaf_data} /> <Copy text={receipt.leaf_data} />
            </dd>
          </div>
        )}
      </dl>
      <p className="section-text">{t("proof.verify")}</p>
      <Command text="sycee verify DIR" />
    </section>
  );
}

/** The log as a line of entries; this receipt's entry and the checkpoint over it. */
function Chain({ position, checkpoint }: { position: number; checkpoint: number | null }) {
  const { t, locale } = useText();
  const first = position - 2;
  const between = checkpoint === null ? 0 : checkpoint - position;
  return (
    <ol className="chain" aria-label={t("proof.chain")}>
      <li className="chain-more">…</li>
      {[first, first + 1]
        .filter((at) => at >= 0)
        .map((at) => (
          <li key={at} className="chain-entry">
            {count(at, locale)}
          </li>
        ))}
      <li className="chain-entry chain-this">
        {count(position, locale)}
        <span>{t("proof.this")}</span>
      </li>
      {between > 1 && (
        <li className="chain-more">
          {t("proof.between", { n: between - 1, count: count(between - 1, locale) })}
        </li>
      )}
      {checkpoint !== null && between > 0 && (
        <li className="chain-entry chain-checkpoint">
          {count(checkpoint, locale)}
          <span>{t("proof.checkpoint_short")}</span>
        </li>
      )}
      {checkpoint === null && <li className="chain-more">…</li>}
    </ol>
  );
}
