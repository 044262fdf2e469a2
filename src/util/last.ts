/** What was asked for last, for a question that is mostly the same as the one before. */

/**
 * `answer`, which is not asked again for the value that it was asked for last, each `subject` by itself. Values are
 * compared by identity: one that may be changed in between must not come here.
 */
export function rememberLast<Subject extends object, Value, Answer>(
  answer: (subject: Subject, value: Value) => Answer,
): (subject: Subject, value: Value) => Answer {
  const last = new WeakMap<Subject, { value: Value; answer: Answer }>();
  return (subject, value) => {
    const known = last.get(subject);
    if (known !== undefined && known.value === value) return known.answer;
    const fresh = answer(subject, value);
    last.set(subject, { value, answer: fresh });
    return fresh;
  };
}
