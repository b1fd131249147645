// Offers side by side: what a model costs by bucket, where it runs, and on
// what power.
import { useMemo } from "react";
import { useCatalog } from "../../api/queries";
import type { Catalog, Offer } from "../../api/types";
import { setQuery, usePlace } from "../../app/location";
import { useTitle } from "../../app/title";
import { addMoney, compareMoney } from "../../format/money";
import { count, significant } from "../../format/numbers";
import { Badge, Command, Price, Simulated, Standing } from "../../parts/figures";
import { BoneRows, Empty, ProblemNote } from "../../parts/states";
import { Scroll } from "../../parts/table";
import { useText } from "../../text/text";

type Schedule = Offer["schedules"][number];

interface Row {
  offer: Offer;
  model: Catalog["models"][number] | undefined;
  site: Catalog["sites"][number] | undefined;
  schedule: Schedule | undefined;
}

const BUCKETS = ["input_uncached", "cache_read", "output_visible", "output_reasoning"] as const;

export function CatalogPage() {
  const { t } = useText();
  useTitle(t("nav.catalog"));
  const { data, error, refetch } = useCatalog();
  const find = usePlace().query.get("find") ?? "";
  const rows = useMemo(() => rowsOf(data, find), [data, find]);

  return (
    <div className="page">
      <div className="section-head">
        <h1>{t("nav.catalog")}</h1>
        <label className="filter">
          <span>{t("catalog.find")}</span>
          <input
            type="search"
            value={find}
            onChange={(event) => setQuery({ find: event.target.value || null })}
          />
        </label>
      </div>
      {error && <ProblemNote cause={error} retry={refetch} />}
      {data?.offers.length === 0 && (
        <Empty title={t("catalog.empty")}>
          <p>{t("flow.empty.how")}</p>
          <Command text="sycee apply catalog.toml --dry-run" />
        </Empty>
      )}
      {data && data.offers.length > 0 && rows.length === 0 && <Empty title={t("catalog.none", { find })} />}
      {!error && (!data || rows.length > 0) && <OfferTable rows={rows} isLoading={!data} />}
    </div>
  );
}

function OfferTable({ rows, isLoading }: { rows: readonly Row[]; isLoading: boolean }) {
  const { t, word } = useText();
  const asset = rows[0]?.schedule?.asset ?? "";
  return (
    <Scroll label={t("nav.catalog")}>
      <table className="offer-table" aria-busy={isLoading}>
        <caption className="unseen">{t("nav.catalog")}</caption>
        <thead>
          <tr>
            <th scope="col">{t("receipts.model")}</th>
            <th scope="col">{t("receipts.site")}</th>
            {BUCKETS.map((bucket) => (
              <th key={bucket} scope="col" className="num">
                {word("bucket", bucket)}
                <span className="unit">{t("unit.per_million", { asset })}</span>
              </th>
            ))}
            <th scope="col" className="num">
              {t("sites.energy")}
              <span className="unit">{t("unit.j_per_output")}</span>
            </th>
            <th scope="col" className="num">
              {t("catalog.context")}
              <span className="unit">{t("unit.tokens")}</span>
            </th>
            <th scope="col">{t("accounts.standing")}</th>
          </tr>
        </thead>
        <tbody>
          {isLoading ? (
            <BoneRows rows={6} columns={9} />
          ) : (
            rows.map((row) => <OfferRow key={row.offer.id} row={row} asset={asset} />)
          )}
        </tbody>
      </table>
    </Scroll>
  );
}

function OfferRow({ row: { offer, model, site, schedule }, asset }: { row: Row; asset: string }) {
  const { t, word, lang, locale } = useText();
  return (
    <tr>
      <th scope="row">
        {model?.name ?? offer.model}
        {model && (
          <span className="below">
            {word("model_kind", model.kind)} · {model.owner.name}
          </span>
        )}
      </th>
      <td>
        {site?.name ?? offer.site} {site?.simulated && <Simulated name={site.name} />}
        {site && <span className="below">{lang === "zh" ? site.region_zh : site.region}</span>}
      </td>
      {BUCKETS.map((bucket) => {
        const price = schedule?.prices[bucket];
        return (
          <td key={bucket} className="num">
            {price === undefined ? <span className="quiet">{t("none")}</span> : <Price amount={price} />}
            {price !== undefined && schedule?.asset !== asset && <> {schedule?.asset}</>}
          </td>
        );
      })}
      <td className="num">
        {site && (
          <>
            {significant(site.joules_output, locale)}
            <Badge of={site.badge} />
          </>
        )}
      </td>
      <td className="num">{model ? count(model.context, locale) : ""}</td>
      <td>
        <Standing tone={offer.open ? "good" : "warn"}>
          {t(offer.open ? "catalog.open" : "catalog.closed")}
        </Standing>
      </td>
    </tr>
  );
}

function rowsOf(catalog: Catalog | undefined, find: string): Row[] {
  if (!catalog) return [];
  const wanted = find.trim().toLowerCase();
  const now = new Date().toISOString();
  return catalog.offers
    .map((offer) => ({
      offer,
      model: catalog.models.find(({ id }) => id === offer.model),
      site: catalog.sites.find(({ id }) => id === offer.site),
      schedule: inForce(offer.schedules, now),
    }))
    .filter(({ model, site }) =>
      [model?.name, site?.name, site?.region, site?.region_zh].some((text) =>
        text?.toLowerCase().includes(wanted),
      ),
    )
    .sort(byModelAndPrice);
}

/** Offers of one model stand together, the cheapest first. */
function byModelAndPrice(a: Row, b: Row): number {
  const price = ({ schedule }: Row) =>
    addMoney([schedule?.prices.output_visible ?? "0", schedule?.prices.input_uncached ?? "0"]);
  return a.offer.model_name.localeCompare(b.offer.model_name) || compareMoney(price(a), price(b));
}

/** The schedule that began last; one that is announced but not yet in force is not shown as a price. */
function inForce(schedules: readonly Schedule[], now: string): Schedule | undefined {
  return schedules.filter(({ from }) => from <= now).sort((a, b) => (a.from < b.from ? 1 : -1))[0];
}
