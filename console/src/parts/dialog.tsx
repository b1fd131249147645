// The browser's own modal dialog: it keeps focus inside, closes on Escape and
// gives focus back to where it came from.
import { type MouseEvent, type ReactNode, useEffect, useRef } from "react";
import { useText } from "../text/text";

export function Dialog({
  title,
  onClose,
  children,
}: {
  title: string;
  onClose: () => void;
  children: ReactNode;
}) {
  const { t } = useText();
  const dialog = useRef<HTMLDialogElement>(null);

  useEffect(() => {
    dialog.current?.showModal();
    // A modal dialog focuses its first control; a field meant for typing comes before that.
    dialog.current?.querySelector("input")?.focus();
  }, []);

  // Only the backdrop has the dialog itself as the target of a click.
  const onClick = (event: MouseEvent) => {
    if (event.target === dialog.current) onClose();
  };

  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes a modal dialog by itself
    <dialog ref={dialog} aria-label={title} onClose={onClose} onClick={onClick}>
      <div className="dialog-body">
        <header className="dialog-head">
          <h2>{title}</h2>
          <button type="button" className="quiet-button" onClick={onClose}>
            {t("close")}
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}
