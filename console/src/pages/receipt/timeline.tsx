// What happened between request and settlement, drawn to scale, and as rows.
import { scaleLinear } from "d3-scale";
import { useRef } from "react";
import type { Attempt, Receipt } from "../../api/types";
import { duration } from "../../format/times";
import { Time } from "../../parts/figures";
import { useWidth } from "../../parts/measure";
import { Scroll } from "../../parts/table";
import { useText } from "../../text/text";

const ROW = 16;
const TOP = 20;

export function TimelineSection({ receipt }: { receipt: Receipt }) {
  const { t, word, locale } = useText();
  const shown = (ms: number) => {
    const { value, unit } = duration(ms, locale);
    return `${value} ${t(`unit.${unit}`)}`;
  };
  return (
    <section>
      <h2>{t("timeline.title")}</h2>
      <Drawing receipt={receipt} />
      <Scroll label={t("timeline.title")}>
        <table className="statement">
          <caption className="unseen">{t("timeline.title")}</caption>
          <thead>
            <tr>
              <th scope="col">{t("timeline.step")}</th>
              <th scope="col">{t("timeline.outcome")}</th>
              <th scope="col" className="num">
                {t("timeline.took")}
              </th>
            </tr>
          </thead>
          <tbody>
            <tr>
              <th scope="row">{t("timeline.hold")}</th>
              <td>
                <Time at={receipt.started_at} as="clock" />
              </td>
              <td className="num" />
            </tr>
            {receipt.attempts.map(({ site, outcome, ms }, at) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: the attempts of a receipt never change
              <tr key={at}>
                <th scope="row">{t("timeline.attempt", { n: at + 1, site })}</th>
                <td>{word("outcome", outcome)}</td>
                <td className="num">{shown(ms)}</td>
              </tr>
            ))}
            {receipt.first_token_ms != null && (
              <tr>
                <th scope="row">{t("timeline.first_token")}</th>
                <td>{t("timeline.after_start")}</td>
                <td className="num">{shown(receipt.first_token_ms)}</td>
              </tr>
            )}
            <tr>
              <th scope="row">{t("timeline.finish")}</th>
              <td>{word("finish", receipt.finish)}</td>
              <td className="num">{shown(receipt.duration_ms)}</td>
            </tr>
            <tr>
              <th scope="row">{t("timeline.settled")}</th>
              <td>
                <Time at={receipt.at} as="clock" />
              </td>
              <td className="num" />
            </tr>
          </tbody>
        </table>
      </Scroll>
    </section>
  );
}

function Drawing({ receipt }: { receipt: Receipt }) {
  const { t, locale } = useText();
  const frame = useRef<HTMLDivElement>(null);
  const width = useWidth(frame);
  const bars = placed(receipt.attempts);
  const end = Math.max(receipt.duration_ms, bars.at(-1)?.end ?? 0, 1);
  const x = scaleLinear([0, end], [0, Math.max(0, width - 1)]);
  const height = TOP + bars.length * ROW + 26;
  return (
    <div className="timeline" ref={frame} aria-hidden="true">
      {width > 0 && (
        <svg width={width} height={height} role="presentation">
          {x.ticks(width < 500 ? 3 : 6).map((tick) => {
            const { value, unit } = duration(tick, locale);
            return (
              <g key={tick}>
                <line className="timeline-grid" x1={x(tick)} x2={x(tick)} y1={TOP} y2={height - 18} />
                <text
                  className="timeline-tick"
                  x={x(tick)}
                  y={height - 4}
                  textAnchor={tick === 0 ? "start" : x(tick) > width - 30 ? "end" : "middle"}
                >
                  {value} {t(`unit.${unit}`)}
                </text>
              </g>
            );
          })}
          {bars.map(({ start, end, last }, at) => (
            <rect
              // biome-ignore lint/suspicious/noArrayIndexKey: the attempts of a receipt never change
              key={at}
              className={last ? "timeline-bar timeline-bar-served" : "timeline-bar"}
              x={x(start)}
              y={TOP + at * ROW + 4}
              width={Math.max(2, x(end) - x(start))}
              height={ROW - 8}
            />
          ))}
          {receipt.first_token_ms != null && (
            <g>
              <line
                className="timeline-mark"
                x1={x(receipt.first_token_ms)}
                x2={x(receipt.first_token_ms)}
                y1={TOP - 2}
                y2={TOP + bars.length * ROW + 2}
              />
              <text
                className="timeline-tick"
                x={x(receipt.first_token_ms)}
                y={TOP - 8}
                textAnchor={x(receipt.first_token_ms) > width - 80 ? "end" : "start"}
              >
                {t("timeline.first_token")}
              </text>
            </g>
          )}
        </svg>
      )}
    </div>
  );
}

/** Attempts follow each other: the next begins when the one before has failed. */
function placed(attempts: readonly Attempt[]): { start: number; end: number; last: boolean }[] {
  let start = 0;
  return attempts.map(({ ms }, at) => {
    const bar = { start, end: start + ms, last: at === attempts.length - 1 };
    start = bar.end;
    return bar;
  });
}
