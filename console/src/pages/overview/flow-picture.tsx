// Draws the flow. The cheapest site's tokens wear the accent, all others ink;
// pointing at a site, a model or a consumer brings out what passes through it.
import { useMemo, useRef } from "react";
import type { OverviewSite } from "../../api/types";
import { briefMoney } from "../../format/money";
import { count, significant } from "../../format/numbers";
import { type RowBox, useWidth } from "../../parts/measure";
import { useText } from "../../text/text";
import { type Flow, type FlowBar, type FlowRibbon, layFlow, OTHERS } from "./flow-layout";
import type { Trace } from "./flow-section";

const NARROW_PX = 440;
const ROOMY_PX = 620;
const HEAD_PX = 28;
const LABEL_PX = 13;

export function FlowPictureView({
  flows,
  sites,
  rows,
  cheapest,
  trace,
  onTrace,
}: {
  flows: readonly Flow[];
  sites: readonly OverviewSite[];
  rows: readonly RowBox[] | null;
  cheapest: OverviewSite | null;
  trace: Trace | null;
  onTrace: (trace: Trace | null) => void;
}) {
  const { t } = useText();
  const frame = useRef<HTMLDivElement>(null);
  const width = useWidth(frame);
  const narrow = width < NARROW_PX;
  const side = narrow ? 92 : width < ROOMY_PX ? 128 : 168;
  const picture = useMemo(() => {
    const ids = sites.map(({ id }) => id);
    const last = rows?.at(-1);
    const tall = last ? last.top + last.height : narrow ? 240 : 280;
    const top = rows?.[0]?.top ?? HEAD_PX;
    return layFlow(flows, ids, {
      width,
      height: Math.max(240, tall),
      top: top + 8,
      left: rows ? 0 : side,
      right: side,
      rows,
    });
  }, [flows, sites, rows, width, narrow, side]);

  const tone = (ribbon: FlowRibbon) => {
    const base = ribbon.site === cheapest?.id ? "ribbon ribbon-cheap" : "ribbon";
    if (!trace) return base;
    return ribbon[trace.column] === trace.id ? `${base} ribbon-traced` : `${base} ribbon-dimmed`;
  };

  return (
    <figure className="flow-picture" ref={frame}>
      {width > 0 && (
        <svg width={width} height={picture.height} role="img" aria-label={t("flow.alt")}>
          <ColumnNames
            bottom={rows?.[0]?.top ?? HEAD_PX}
            width={width}
            side={side}
            hasSites={rows === null}
          />
          {picture.ribbons.map((ribbon) => (
            <path key={ribbon.key} className={tone(ribbon)} d={ribbon.path} />
          ))}
          {picture.bars.map((bar) => (
            <Bar
              key={`${bar.column} ${bar.id}`}
              bar={bar}
              site={sites.find(({ id }) => id === bar.id)}
              hasLabel={bar.column !== "site" || rows === null}
              room={
                bar.column === "model"
                  ? (width - (rows ? 1 : 2) * side) * 0.58 - (narrow ? 0 : 90)
                  : side - 14
              }
              hasFigure={!narrow || bar.column === "consumer"}
              onTrace={onTrace}
            />
          ))}
          {picture.ribbons.length === 0 && (
            <text
              className="flow-nothing"
              x={rows ? 24 : width / 2}
              y={picture.height / 2}
              textAnchor={rows ? "start" : "middle"}
            >
              {t("flow.nothing")}
            </text>
          )}
        </svg>
      )}
    </figure>
  );
}

/** The table's head runs on over the picture. */
function ColumnNames({
  bottom,
  width,
  side,
  hasSites,
}: {
  bottom: number;
  width: number;
  side: number;
  hasSites: boolean;
}) {
  const { t } = useText();
  const left = hasSites ? side : 0;
  const model = left + (width - left - side) * 0.42;
  const right = width - side - 6;
  return (
    <g className="flow-head">
      <line x1={0} x2={width} y1={bottom - 0.5} y2={bottom - 0.5} />
      {hasSites && (
        <text x={left - 8} y={bottom - 11} textAnchor="end">
          {t("sites.site")}
        </text>
      )}
      <text x={model} y={bottom - 11}>
        {t("receipts.model")}
      </text>
      <text x={right + 14} y={bottom - 11}>
        {t("receipts.consumer")}
      </text>
    </g>
  );
}

function Bar({
  bar,
  site,
  hasLabel,
  room,
  hasFigure,
  onTrace,
}: {
  bar: FlowBar;
  site: OverviewSite | undefined;
  hasLabel: boolean;
  room: number;
  hasFigure: boolean;
  onTrace: (trace: Trace | null) => void;
}) {
  const { t, locale } = useText();
  const onLeft = bar.column === "site";
  const x = onLeft ? bar.x - 8 : bar.x + 14;
  const middle = bar.y + bar.height / 2;
  const name = bar.id === OTHERS ? t("flow.others") : (site?.name ?? bar.id);
  const below = site
    ? `${briefMoney(site.power_price, locale)}/kWh · ${significant(site.joules_per_token ?? site.joules_output, locale)} J`
    : count(bar.tokens, locale);
  return (
    <g
      className={`bar bar-${bar.column}`}
      onPointerEnter={() => onTrace({ column: bar.column, id: bar.id })}
      onPointerLeave={() => onTrace(null)}
    >
      <rect x={bar.x} y={bar.y} width={6} height={bar.height} />
      {hasLabel && bar.column === "model" && (
        <text x={bar.x} y={bar.y - 7}>
          <title>{name}</title>
          {shorten(name, room)}
          {hasFigure && (
            <tspan dx={8} className="bar-figure">
              {below}
            </tspan>
          )}
        </text>
      )}
      {hasLabel && bar.column !== "model" && (
        <text x={x} y={middle} textAnchor={onLeft ? "end" : "start"}>
          <title>{name}</title>
          <tspan x={x} dy={hasFigure ? "-0.15em" : "0.35em"}>
            {shorten(name, room)}
          </tspan>
          {hasFigure && (
            <tspan x={x} dy="1.2em" className="bar-figure">
              {below}
            </tspan>
          )}
        </text>
      )}
    </g>
  );
}

let ruler: CanvasRenderingContext2D | null = null;

/** Cuts a name to the room it has, measured in the font it will be drawn in. */
function shorten(name: string, room: number): string {
  ruler ??= document.createElement("canvas").getContext("2d");
  if (!ruler) return name;
  ruler.font = `${LABEL_PX}px ${getComputedStyle(document.documentElement).fontFamily}`;
  if (ruler.measureText(name).width <= room) return name;
  const characters = [...name];
  while (characters.length > 1 && ruler.measureText(`${characters.join("").trimEnd()}…`).width > room) {
    characters.pop();
  }
  return `${characters.join("").trimEnd()}…`;
}
