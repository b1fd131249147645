// A line of load without axes: its shape is the message, its figures stand beside it.
import { scaleLinear } from "d3-scale";
import { area, line } from "d3-shape";

const HEIGHT = 28;

export function Sparkline({
  values,
  top,
  width = 96,
}: {
  values: readonly number[];
  top: number;
  width?: number;
}) {
  const x = scaleLinear([0, Math.max(1, values.length - 1)], [0, width]);
  const y = scaleLinear([0, Math.max(top, 1e-9)], [HEIGHT - 1, 2]);
  const stroke = line<number>((_, at) => x(at), y);
  const below = area<number>((_, at) => x(at), HEIGHT, y);
  return (
    <svg
      className="sparkline"
      viewBox={`0 0 ${width} ${HEIGHT}`}
      width={width}
      height={HEIGHT}
      aria-hidden="true"
    >
      <path className="sparkline-area" d={below(values) ?? ""} />
      <path className="sparkline-line" d={stroke(values) ?? ""} />
    </svg>
  );
}
