import type { Problem } from "./problems.ts";

interface ProblemNoticeProps {
  readonly problem: Problem;
  readonly action: string;
  readonly onAction: () => void;
}

/** What went wrong, what that means, and what to do about it. */
export function ProblemNotice({ problem: { title, text, hint, code }, action, onAction }: ProblemNoticeProps) {
  return (
    <div className="notice trouble" role="alert">
      <h3>{title}</h3>
      <p>{text}</p>
      {hint === null ? null : <p>{hint}</p>}
      <div className="actions">
        <button type="button" onClick={onAction}>
          {action}
        </button>
        {code === null ? null : <code className="code">{code}</code>}
      </div>
    </div>
  );
}
