// The energy behind the tokens, as a sum that can be followed: joules, the
// building's overhead, the price of power. Each figure that nobody measured
// wears its badge.
import type { ReactNode } from "react";
import { useCatalog } from "../../api/queries";
import type { Receipt } from "../../api/types";
import { significant } from "../../format/numbers";
import { Badge, Exact, Price } from "../../parts/figures";
import { useText } from "../../text/text";

export function EnergySection({ receipt }: { receipt: Receipt }) {
  const { t, locale } = useText();
  const { data: catalog } = useCatalog();
  const declared = catalog?.sites.find(({ id }) => id === receipt.site)?.badge;
  const tokens = Object.values(receipt.buckets).reduce((sum, tokens) => sum + tokens, 0);
  return (
    <section>
      <h2>{t("energy.title")}</h2>
      <dl className="sum-line">
        <Term label={t("energy.joules")} unit={t("unit.joules")}>
          {significant(receipt.joules, locale, 5)}{" "}
          {receipt.joules_badge && <Badge of={receipt.joules_badge} />}
        </Term>
        <Term operator="×" label={t("energy.pue")} unit={t("unit.pue")}>
          <Price amount={receipt.pue} /> {declared && <Badge of={declared} />}
        </Term>
        <Term operator="×" label={t("energy.power")} unit={t("unit.per_kwh", { asset: receipt.asset })}>
          <Price amount={receipt.power_price} /> {declared && <Badge of={declared} />}
        </Term>
        <Term operator="=" label={t("energy.cost")} unit={receipt.asset}>
          <Exact amount={receipt.energy_cost} />
        </Term>
      </dl>
      <p className="section-text">
        {tokens > 0 && t("energy.per_token", { joules: significant(receipt.joules / tokens, locale) })}
        {t("energy.note")}
        {receipt.simulated && <> {t("site.simulated.meaning")}</>}
      </p>
    </section>
  );
}

function Term({
  operator,
  label,
  unit,
  children,
}: {
  operator?: string;
  label: string;
  unit: string;
  children: ReactNode;
}) {
  return (
    <div>
      <dt>
        {label} <span className="unit">{unit}</span>
      </dt>
      <dd>
        {operator && <span className="operator">{operator}</span>}
        {children}
      </dd>
    </div>
  );
}
