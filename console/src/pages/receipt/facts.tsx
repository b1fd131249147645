// Who, when, which model at which site under which schedule.
import { Fragment, type ReactNode } from "react";
import { useCatalog } from "../../api/queries";
import type { Receipt } from "../../api/types";
import { hrefTo } from "../../app/location";
import { Exact, Id, Nothing, Simulated, Time } from "../../parts/figures";
import { Say, type TextKey, useText } from "../../text/text";

export function FactsSection({ receipt }: { receipt: Receipt }) {
  const { t, word, lang } = useText();
  const { data: catalog } = useCatalog();
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
        {receipt.key_label && <span className="quiet">{t("facts.key", { label: receipt.key_label })}</span>}
      </Fragment>,
    ],
    ["facts.model", receipt.model_name],
    [
      "facts.site",
      receipt.site_name && (
        <Fragment key="site">
          {receipt.site_name} {receipt.simulated && <Simulated name={receipt.site_name} />}{" "}
          <span className="quiet">{lang === "zh" ? receipt.region_zh : receipt.region}</span>
        </Fragment>
      ),
    ],
    [
      "facts.schedule",
      receipt.schedule && (
        <Fragment key="schedule">
          <Id value={receipt.schedule} short />{" "}
          {schedule && (
            <span className="quiet">
              <Say of="facts.schedule.from" at={<Time at={schedule.from} />} />
            </span>
          )}
        </Fragment>
      ),
    ],
    [
      "facts.endpoint",
      receipt.endpoint &&
        t("facts.request", {
          endpoint: word("endpoint", receipt.endpoint),
          way: t(receipt.stream ? "facts.streamed" : "facts.whole"),
        }),
    ],
    ["facts.finish", word("finish", receipt.finish)],
    [
      "facts.hold",
      receipt.hold && (
        <Fragment key="hold">
          <Exact amount={receipt.hold} /> {receipt.asset}
        </Fragment>
      ),
    ],
  ];
  return (
    <dl className="facts">
      {facts.map(([label, value]) => (
        <div key={label}>
          <dt>{t(label)}</dt>
          <dd>{value || <Nothing />}</dd>
        </div>
      ))}
    </dl>
  );
}
