// The three answers that every figure owes.
import type { ReactNode } from "react";
import { useText } from "../text/text";

export function Explanation({ made, since, proof }: { made: ReactNode; since: ReactNode; proof: ReactNode }) {
  const { t } = useText();
  return (
    <dl className="explanation">
      <div>
        <dt>{t("explain.made")}</dt>
        <dd>{made}</dd>
      </div>
      <div>
        <dt>{t("explain.since")}</dt>
        <dd>{since}</dd>
      </div>
      <div>
        <dt>{t("explain.proof")}</dt>
        <dd>{proof}</dd>
      </div>
    </dl>
  );
}
