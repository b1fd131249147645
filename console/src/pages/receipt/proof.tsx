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
  // A checkpoint covers so many entries from the first, which has position zero.
  const entries = receipt.checkpoint_position;
  const covered = receipt.position < entries;
  return (
    <section className="proof">
      <h2>{t("proof.title")}</h2>
      <p className="section-text">{t("proof.text")}</p>
      <Chain position={receipt.position} entries={covered ? entries : null} />
      <dl className="facts">
        <div>
          <dt>{t("proof.position")}</dt>
          <dd className="number">{count(receipt.position, locale)}</dd>
        </div>
        <div>
          <dt>{t("proof.checkpoint")}</dt>
          <dd>
            {covered ? (
              <Standing tone="good">{t("proof.covered", { entries: count(entries, locale) })}</Standing>
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
      </dl>
      <p className="section-text">{t("proof.verify")}</p>
      <Command text="sycee verify DIR" />
    </section>
  );
}

/** The log as a line of entries; this receipt's entry, and the checkpoint that seals all up to its last. */
function Chain({ position, entries }: { position: number; entries: number | null }) {
  const { t, locale } = useText();
  const before = [position - 2, position - 1].filter((at) => at >= 0);
  const after = entries === null ? 0 : entries - 1 - position;
  return (
    <ol className="chain" aria-label={t("proof.chain")}>
      {position > 2 && <li className="chain-more">…</li>}
      {before.map((at) => (
        <li key={at} className="chain-entry">
          {count(at, locale)}
        </li>
      ))}
      <li className="chain-entry chain-this">
        {count(position, locale)}
        <span>{t("proof.this")}</span>
      </li>
      {after > 0 && <li className="chain-more">{t("proof.between", { count: count(after, locale) })}</li>}
      {entries === null ? (
        <li className="chain-more">…</li>
      ) : (
        <li className="chain-entry chain-checkpoint">
          {t("proof.seal")}
          <span>{t("proof.seal.over", { entries: count(entries, locale) })}</span>
        </li>
      )}
    </ol>
  );
}
