// The picture: sites as a table, west to east, whose rows run on as ribbons
// through models to consumers. On a narrow page the picture stands below the
// table with labels of its own; as a table it is the same figures in rows.
import { useRef, useState } from "react";
import type { Overview, OverviewSite } from "../../api/types";
import { setQuery, usePlace } from "../../app/location";
import { Command } from "../../parts/figures";
import { useMedia, useRowBoxes } from "../../parts/measure";
import { Empty } from "../../parts/states";
import { useText } from "../../text/text";
import type { Column } from "./flow-layout";
import { FlowPictureView } from "./flow-picture";
import { FlowTable } from "./flow-table";
import { SiteExplanation } from "./site-explanation";
import { SiteTable } from "./site-table";

export const SITES_SHOWN = 12;

export interface Trace {
  column: Column;
  id: string;
}

export function FlowSection({
  overview,
  sites,
  cheapest,
}: {
  overview: Overview;
  sites: readonly OverviewSite[];
  cheapest: OverviewSite | null;
}) {
  const { t } = useText();
  const { query } = usePlace();
  const wide = useMedia("(min-width: 1180px)");
  const table = useRef<HTMLTableElement>(null);
  const [trace, setTrace] = useState<Trace | null>(null);
  const all = query.get("sites") === "all";
  const shown = all ? sites : mostLoaded(sites, cheapest, SITES_SHOWN);
  const rows = useRowBoxes(table, shown.length);
  const flows = overview.flows.map(({ site, model_name, consumer, tokens_per_min }) => ({
    site,
    model: model_name,
    consumer: consumer ?? t("flow.unnamed"),
    tokens_per_min,
  }));
  const asTable = query.get("flow") === "table";
  const open = sites.find(({ id }) => id === query.get("site"));

  if (sites.length === 0) {
    return (
      <section className="flow-section">
        <h2 className="section-title">{t("flow.title")}</h2>
        <Empty title={t("flow.empty")}>
          <p>{t("flow.empty.how")}</p>
          <Command text="sycee apply catalog.toml --dry-run" />
        </Empty>
      </section>
    );
  }

  return (
    <section className="flow-section" aria-label={t("flow.title")}>
      <div className="section-head">
        <h2 className="section-title">{t("flow.title")}</h2>
        <p className="section-note">{t("flow.note")}</p>
        <button
          type="button"
          className="quiet-button"
          aria-pressed={asTable}
          onClick={() => setQuery({ flow: asTable ? null : "table" })}
        >
          {t(asTable ? "flow.as_picture" : "flow.as_table")}
        </button>
      </div>
      <div className={wide && !asTable ? "flow-beside" : "flow-below"}>
        <SiteTable
          ref={table}
          sites={shown}
          asset={overview.asset}
          cheapest={cheapest}
          open={open?.id ?? null}
          onTrace={setTrace}
        />
        {asTable ? (
          <FlowTable flows={flows} sites={sites} />
        ) : (
          <FlowPictureView
            flows={flows}
            sites={shown}
            rows={wide ? rows : null}
            cheapest={cheapest}
            trace={trace}
            onTrace={setTrace}
          />
        )}
      </div>
      {sites.length > SITES_SHOWN && (
        <p className="flow-more">
          {!all && <>{t("flow.some_sites", { shown: shown.length, n: sites.length })} </>}
          <button
            type="button"
            className="link-button"
            onClick={() => setQuery({ sites: all ? null : "all" })}
          >
            {all ? t("flow.fewer_sites", { n: SITES_SHOWN }) : t("flow.all_sites", { n: sites.length })}
          </button>
        </p>
      )}
      <div id="site-explanation">{open && <SiteExplanation site={open} asset={overview.asset} />}</div>
    </section>
  );
}

/** The busiest sites and the cheapest one, still in their order from west to east. */
function mostLoaded(
  sites: readonly OverviewSite[],
  cheapest: OverviewSite | null,
  kept: number,
): readonly OverviewSite[] {
  if (sites.length <= kept) return sites;
  const weight = (site: OverviewSite) => (site === cheapest ? Number.POSITIVE_INFINITY : site.tokens_per_s);
  const busiest = new Set([...sites].sort((a, b) => weight(b) - weight(a)).slice(0, kept));
  return sites.filter((site) => busiest.has(site));
}
