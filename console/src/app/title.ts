// Names the page in the browser's tab and history.
import { useEffect } from "react";
import { useText } from "../text/text";

export function useTitle(name: string): void {
  const { t } = useText();
  useEffect(() => {
    document.title = `${name} · ${t("brand")}`;
  }, [name, t]);
}
