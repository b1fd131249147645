// What a site's figures are made of.

import type { OverviewSite } from "../../api/types";
import { hrefTo } from "../../app/location";
import { significant } from "../../format/numbers";
import { Explanation } from "../../parts/explanation";
import { Badge, Price, Time } from "../../parts/figures";
import { Say, useText } from "../../text/text";

export function SiteExplanation({ site, asset }: { site: OverviewSite; asset: string }) {
  const { t, word, locale } = useText();
  return (
    <section aria-label={site.name}>
      <h3 className="explanation-title">{site.name}</h3>
      <Explanation
        made={
          <>
            <Say
              of="explain.site.made"
              input={significant(site.joules_input, locale)}
              output={significant(site.joules_output, locale)}
              pue={<Price amount={site.pue} />}
              power={<Price amount={site.power_price} />}
              asset={asset}
            />{" "}
            <Badge of={site.badge} /> {word("badge", `${site.badge}.meaning`)}
            {site.simulated && <> {t("site.simulated.meaning")}</>}
          </>
        }
        since={
          <>
            {t("explain.site.since")}{" "}
            <Say
              of={`explain.site.${site.state}`}
              at={site.failing_since && <Time at={site.failing_since} />}
            />
          </>
        }
        proof={
          <Say
            of="explain.site.proof"
            provider={site.provider.name}
            catalog={
              <a href={hrefTo(`/catalog?find=${encodeURIComponent(site.name)}`)}>{t("nav.catalog")}</a>
            }
          />
        }
      />
    </section>
  );
}
