/**
 * Control characters, and those that turn the direction of text, as escapes of JSON, so that a name from elsewhere cannot steer the
 * terminal. Lines and tabs stay.
 */
export function printable(text: string): string {
  return text.replace(
    /[^\P{Cc}\n\t]|\p{Bidi_Control}/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** The same within a line: what somebody else has written begins none. */
export function oneLine(text: string): string {
  return printable(text).replaceAll('\n', '\\n').replaceAll('\t', ' ');
}
