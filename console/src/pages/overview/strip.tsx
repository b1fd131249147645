// The figures of this second. Each one opens to what it is made of, since
// when it counts and where its proof is; the address remembers which.
import type { ReactNode } from "react";
import type { Overview, OverviewSite } from "../../api/types";
import { setQuery, usePlace } from "../../app/location";
import { count, rate } from "../../format/numbers";
import { Explanation } from "../../parts/explanation";
import { Exact, ReceiptLink, Time } from "../../parts/figures";
import { Sparkline } from "../../parts/sparkline";
import { Say, type TextKey, useText } from "../../text/text";

const FIGURES = ["tokens", "money", "holds", "lag", "position"] as const;
type FigureName = (typeof FIGURES)[number];

interface Shown {
  value: ReactNode;
  unit: string;
  beside?: ReactNode;
}

export function Strip({ overview, sites }: { overview: Overview; sites: readonly OverviewSite[] }) {
  const { t, locale } = useText();
  const asked = usePlace().query.get("figure");
  const open = FIGURES.find((name) => name === asked);
  const load = totalLoad(sites);
  const shown: Record<FigureName, Shown> = {
    tokens: {
      value: rate(overview.tokens_per_s, locale),
      unit: t("unit.tokens_per_s"),
      beside: <Sparkline values={load} top={Math.max(...load, 0)} width={88} />,
    },
    money: {
      value: <Exact amount={overview.money_per_s} />,
      unit: t("unit.money_per_s", { asset: overview.asset }),
    },
    holds: { value: count(overview.open_holds, locale), unit: t("unit.open_holds") },
    lag: { value: rate(overview.durable_lag_ms, locale), unit: t("unit.lag_ms") },
    position: { value: count(overview.position, locale), unit: t("unit.position") },
  };
  return (
    <section className="strip-section" aria-label={t("strip.label")}>
      <div className="strip">
        {FIGURES.map((name) => (
          <button
            key={name}
            type="button"
            className={`strip-figure strip-${name}`}
            aria-expanded={open === name}
            aria-controls="strip-explanation"
            onClick={() => setQuery({ figure: open === name ? null : name })}
          >
            <span className="strip-value">{shown[name].value}</span>
            {shown[name].beside}
            <span className="strip-unit">{shown[name].unit}</span>
          </button>
        ))}
      </div>
      <div id="strip-explanation">{open && <FigureExplanation name={open} overview={overview} />}</div>
    </section>
  );
}

function FigureExplanation({ name, overview }: { name: FigureName; overview: Overview }) {
  const { t } = useText();
  const newest = overview.receipts[0];
  const proof =
    (name === "tokens" || name === "money") && newest ? (
      <Say of="explain.proof.receipts" receipt={<ReceiptLink id={newest.id} />} />
    ) : name === "holds" ? (
      t("explain.holds.proof")
    ) : (
      t("explain.proof.log")
    );
  return (
    <Explanation
      made={t(`explain.${name}.made` as TextKey)}
      since={<Say of={`explain.${name}.since` as TextKey} at={<Time at={overview.at} as="clock" />} />}
      proof={proof}
    />
  );
}

/** Tokens per second over all sites, for each of the last sixty seconds. */
function totalLoad(sites: readonly OverviewSite[]): number[] {
  const length = Math.max(0, ...sites.map(({ load }) => load.length));
  return Array.from({ length }, (_, second) => sites.reduce((sum, { load }) => sum + (load[second] ?? 0), 0));
}
