// The overview's layout before its first figures.
import { Bone, BoneRows } from "../../parts/states";
import { useText } from "../../text/text";

const FIGURES = 5;
const SITE_COLUMNS = 6;
const RECEIPTS = 8;

export function OverviewBones() {
  const { t } = useText();
  return (
    <div className="overview" aria-busy="true">
      <p className="unseen" role="status">
        {t("loading")}
      </p>
      <div className="lead">
        {["lead.state", "lead.flow", "lead.cheapest"].map((key) => (
          <div key={key}>
            <h2>{t(key as "lead.state")}</h2>
            <p className="lead-answer">
              <Bone width="10em" />
            </p>
            <p className="lead-why">
              <Bone width="16em" />
            </p>
          </div>
        ))}
      </div>
      <div className="strip-section">
        <div className="strip">
          {Array.from({ length: FIGURES }, (_, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: placeholders have no identity
            <div key={at} className="strip-figure">
              <span className="strip-value">
                <Bone width="4em" />
              </span>
              <span className="strip-unit">
                <Bone width="7em" />
              </span>
            </div>
          ))}
        </div>
      </div>
      <section className="flow-section">
        <h2 className="section-title">{t("flow.title")}</h2>
        <div className="flow-beside">
          <table className="site-table">
            <thead>
              <tr>
                <th colSpan={SITE_COLUMNS}>
                  <Bone width="6em" />
                  <span className="unit">
                    <Bone width="4em" />
                  </span>
                </th>
              </tr>
            </thead>
            <tbody>
              <BoneRows rows={3} columns={SITE_COLUMNS} />
            </tbody>
          </table>
        </div>
      </section>
      <section className="live-receipts">
        <h2 className="section-title">{t("live.title")}</h2>
        <table>
          <tbody>
            <BoneRows rows={RECEIPTS} columns={6} />
          </tbody>
        </table>
      </section>
    </div>
  );
}
