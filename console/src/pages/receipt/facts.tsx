// Who, when, which model at which site under which schedule.
import { Fragment, type ReactNode } from "react";
import { useCatalog } from "../../api/queries";
import type { Receipt } from "../../api/types";
import { hrefTo } from "../../app/location";
import { Exact, Id, Simulated, Time } from "../../parts/figures";
import { Say, type TextKey, useText } from "../../text/text";

export function FactsSection({ receipt }: { receipt: Receipt }) {
  const { t, word, lang } = useText();
  const { data: catalog } = useCatalog();
  const site = catalog?.sites.find(({ id }) => id === receipt.site);
  const schedule = catalog?.offers
    .flatMap(({ schedules }) => schedules)
    .find(({ id }) => id === receipt.schedule);

  const facts: [TextKey, ReactNode][] = [
    ["facts.at", <Time key="at" at={receipt.at} as="dayClockAndZone" />],
    ["facts.consumer", receipt.consumer],
    [
      "facts.account",
      <Fragment key="account">
        <a href={hrefTo(`/accounts/${receipt.account}`)}>
          <Id value={receipt.account} short />
        </a>{" "}
        <span className="quiet">{t("facts.key", { label: receipt.key_label })}</span>
      </Fragment>,
    ],
    ["facts.model", receipt.model_name],
    [
      "facts.site",
      <Fragment key="site">
        {receipt.site_name} {site?.simulated && <Simulated />}{" "}
        <span className="quiet">{lang === "zh" && site ? site.region_zh : receipt.region}</span>
      </Fragment>,
    ],
    [
      "facts.schedule",
      <Fragment key="schedule">
        <Id value={receipt.schedule} short />{" "}
        {schedule && (
          <span className="quiet">
            <Say of="facts.schedule.from" at={<Time at={schedule.from} />} />
          </span>
        )}
      </Fragment>,
    ],
    [
      "facts.endpoint",
      t("facts.request", {
        endpoint: word("endpoint", receipt.endpoint),
        way: t(receipt.stream ? "facts.streamed" : "facts.whole"),
      }),
    ],
    ["facts.finish", word("finish", receipt.finish)],
    [
      "facts.hold",
      <Fragment key="hold">
        <Exact amount={receipt.hold} /> {receipt.asset}
      </Fragment>,
    ],
  ];
  return (
    <dl className="facts">
      {facts.map(([label, value]) => (
        <div key={label}>
          <dt>{t(label)}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
