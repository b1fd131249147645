// Where the flow's bars and ribbons go. Three columns: sites west to east,
// models and consumers largest first. A bar is as thick as its tokens per
// minute; a ribbon keeps its thickness from site to consumer, so the picture
// adds up in every column. What does not fit is folded into one "others" bar.
import { area, curveBumpX } from "d3-shape";
import type { RowBox } from "../../parts/measure";

export type Column = "site" | "model" | "consumer";

/** One direction of the flow; what stands for each end is its label or an id. */
export interface Flow {
  site: string;
  model: string;
  consumer: string;
  tokens_per_min: number;
}

export const OTHERS = "others";
const KEPT: Record<"model" | "consumer", number> = { model: 7, consumer: 8 };
const COLUMNS: readonly Column[] = ["site", "model", "consumer"];
const SLOT_MIN = 34;
/** A model is named above its bar, where no ribbon runs. */
const NAME_ABOVE = 22;
const GAP = 10;
const BAR_WIDTH = 6;

export interface FlowBar {
  column: Column;
  id: string;
  tokens: number;
  x: number;
  y: number;
  height: number;
}

export interface FlowRibbon {
  key: string;
  site: string;
  model: string;
  consumer: string;
  path: string;
}

export interface FlowPicture {
  bars: FlowBar[];
  ribbons: FlowRibbon[];
  height: number;
}

export interface FlowFrame {
  width: number;
  height: number;
  /** Room above for the columns' names, left of the sites and right of the consumers for labels. */
  top: number;
  left: number;
  right: number;
  /** Rows of the table that the sites' bars continue, in the order of `sites`; null where it is elsewhere. */
  rows: readonly RowBox[] | null;
}

export function layFlow(given: readonly Flow[], sites: readonly string[], frame: FlowFrame): FlowPicture {
  const flows = foldOthers(
    given.filter(({ site, tokens_per_min }) => sites.includes(site) && tokens_per_min > 0),
  );
  const order = {
    site: sites.filter((site) => frame.rows !== null || flows.some((flow) => flow.site === site)),
    model: bySize(flows, "model"),
    consumer: bySize(flows, "consumer"),
  };
  const total = flows.reduce((sum, flow) => sum + flow.tokens_per_min, 0);
  const scale = scaleOf(flows, order.site, total, frame);
  const bars = placeBars(flows, order, scale, frame);
  const height = bars.reduce(
    (lowest, bar) => Math.max(lowest, bar.y + Math.max(bar.height, SLOT_MIN)),
    frame.height,
  );
  return { bars, ribbons: drawRibbons(flows, order, scale, bars), height };
}

/** Keeps the largest models and consumers and adds the rest up; no token is dropped. */
export function foldOthers(flows: readonly Flow[]): Flow[] {
  const models = new Set(bySize(flows, "model").slice(0, KEPT.model));
  const consumers = new Set(bySize(flows, "consumer").slice(0, KEPT.consumer));
  const folded = new Map<string, Flow>();
  for (const { site, model, consumer, tokens_per_min } of flows) {
    const to = {
      site,
      model: models.has(model) ? model : OTHERS,
      consumer: consumers.has(consumer) ? consumer : OTHERS,
    };
    const key = JSON.stringify(to);
    const known = folded.get(key);
    if (known) known.tokens_per_min += tokens_per_min;
    else folded.set(key, { ...to, tokens_per_min });
  }
  return [...folded.values()];
}

function bySize(flows: readonly Flow[], column: "model" | "consumer"): string[] {
  const sizes = new Map<string, number>();
  for (const flow of flows) sizes.set(flow[column], (sizes.get(flow[column]) ?? 0) + flow.tokens_per_min);
  return [...sizes]
    .sort(
      ([a, tokensA], [b, tokensB]) =>
        Number(a === OTHERS) - Number(b === OTHERS) || tokensB - tokensA || (a < b ? -1 : 1),
    )
    .map(([id]) => id);
}

function tokensOf(flows: readonly Flow[], column: Column, id: string): number {
  return flows.reduce((sum, flow) => (flow[column] === id ? sum + flow.tokens_per_min : sum), 0);
}

/** Pixels per token a minute: no bar leaves its row, no column leaves the picture. */
function scaleOf(
  flows: readonly Flow[],
  sites: readonly string[],
  total: number,
  { rows, height, top }: FlowFrame,
): number {
  if (total === 0) return 0;
  const limits = [((height - top) * 0.6) / total];
  sites.forEach((site, at) => {
    const row = rows?.[at];
    const tokens = tokensOf(flows, "site", site);
    if (row && tokens > 0) limits.push((row.height - 14) / tokens);
  });
  return Math.min(...limits);
}

function placeBars(
  flows: readonly Flow[],
  order: Record<Column, readonly string[]>,
  scale: number,
  { width, height, top, left, right, rows }: FlowFrame,
): FlowBar[] {
  const x = { site: left, model: left + (width - left - right) * 0.42, consumer: width - right - BAR_WIDTH };
  return COLUMNS.flatMap((column) => {
    const bars = order[column].map((id) => {
      const tokens = tokensOf(flows, column, id);
      return { column, id, tokens, x: x[column], y: 0, height: tokens > 0 ? Math.max(1, tokens * scale) : 0 };
    });
    if (column === "site" && rows) {
      bars.forEach((bar, at) => {
        const row = rows[at];
        if (row) bar.y = row.top + (row.height - bar.height) / 2;
      });
      return bars;
    }
    const above = column === "model" ? NAME_ABOVE : 0;
    const slotOf = (bar: FlowBar) => Math.max(bar.height + above, SLOT_MIN);
    const room = height - top;
    const used = bars.reduce((sum, bar) => sum + slotOf(bar), 0);
    const gap = Math.max(GAP, Math.min(48, (room - used) / Math.max(1, bars.length)));
    let y = top + Math.max(0, (room - used - gap * (bars.length - 1)) / 2);
    for (const bar of bars) {
      bar.y = y + above + (slotOf(bar) - above - bar.height) / 2;
      y += slotOf(bar) + gap;
    }
    return bars;
  });
}

function drawRibbons(
  flows: readonly Flow[],
  order: Record<Column, readonly string[]>,
  scale: number,
  bars: readonly FlowBar[],
): FlowRibbon[] {
  const place = (column: Column, id: string) => order[column].indexOf(id);
  const barOf = (column: Column, id: string) => bars.find((bar) => bar.column === column && bar.id === id);
  const sorted = (...columns: Column[]) =>
    [...flows].sort((a, b) => {
      for (const column of columns) {
        const difference = place(column, a[column]) - place(column, b[column]);
        if (difference !== 0) return difference;
      }
      return 0;
    });

  // Each side of a bar is filled from its top, in the order of the bars it meets.
  const stack = (column: Column, ordered: readonly Flow[]) => {
    const filled = new Map<string, number>();
    const tops = new Map<Flow, number>();
    for (const flow of ordered) {
      const top = filled.get(flow[column]) ?? barOf(column, flow[column])?.y ?? 0;
      tops.set(flow, top);
      filled.set(flow[column], top + flow.tokens_per_min * scale);
    }
    return tops;
  };
  const leaving = stack("site", sorted("model", "consumer"));
  const entering = stack("model", sorted("site", "consumer"));
  const passing = stack("model", sorted("consumer", "site"));
  const arriving = stack("consumer", sorted("model", "site"));

  const band = area<[number, number]>()
    .x(([x]) => x)
    .y0(([, y]) => y)
    .curve(curveBumpX);
  return flows.flatMap((flow) => {
    const thick = flow.tokens_per_min * scale;
    const shape = band.y1(([, y]) => y + thick);
    const x = COLUMNS.map((column) => barOf(column, flow[column])?.x ?? 0);
    const [site = 0, model = 0, consumer = 0] = x;
    const at = (tops: Map<Flow, number>) => tops.get(flow) ?? 0;
    const halves: [number, number][][] = [
      [
        [site + BAR_WIDTH, at(leaving)],
        [model, at(entering)],
      ],
      [
        [model + BAR_WIDTH, at(passing)],
        [consumer, at(arriving)],
      ],
    ];
    return halves.map((half, number) => ({
      key: `${flow.site} ${flow.model} ${flow.consumer} ${number}`,
      site: flow.site,
      model: flow.model,
      consumer: flow.consumer,
      path: shape(half) ?? "",
    }));
  });
}
