export interface ToggleProps {
  readonly label: string;
  readonly isOn: boolean;
  readonly onChange: (isOn: boolean) => void;
  /** Shown beside it; without one only its label says what it is for. */
  readonly text?: string;
  readonly tone?: "calm" | "warn";
}

/** A switch: Space and Enter turn it, and a screen reader says what it is. */
export function Toggle({ label, isOn, onChange, text, tone = "calm" }: ToggleProps) {
  return (
    <button type="button" role="switch" aria-checked={isOn} aria-label={label} className={`toggle ${tone}`} onClick={() => onChange(!isOn)}>
      {text === undefined ? null : <span className="toggle-text">{text}</span>}
      <span className="toggle-track" aria-hidden="true">
        <span className="toggle-knob" />
      </span>
    </button>
  );
}
