// The keys, and the words that badges use.
import { Fragment } from "react";
import { Dialog } from "../parts/dialog";
import { Badge } from "../parts/figures";
import { type TextKey, useText } from "../text/text";

const KEYS: [string[], TextKey][] = [
  [["/"], "help.find"],
  [["g", "o"], "nav.overview"],
  [["g", "r"], "nav.receipts"],
  [["g", "a"], "nav.accounts"],
  [["g", "c"], "nav.catalog"],
  [["↑", "↓"], "help.rows"],
  [["?"], "help.help"],
];

const BADGES = ["measured", "published", "assumed"] as const;

export function Help({ onClose }: { onClose: () => void }) {
  const { t } = useText();
  return (
    <Dialog title={t("help.title")} onClose={onClose}>
      <dl className="help-list">
        {KEYS.map(([keys, meaning]) => (
          <Fragment key={meaning}>
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{t(meaning)}</dd>
          </Fragment>
        ))}
      </dl>
      <h3>{t("help.badges")}</h3>
      <dl className="help-list">
        {BADGES.map((badge) => (
          <Fragment key={badge}>
            <dt>
              <Badge of={badge} />
            </dt>
            <dd>{t(`badge.${badge}.meaning`)}</dd>
          </Fragment>
        ))}
      </dl>
    </Dialog>
  );
}
