// SPDX-License-Identifier: Apache-2.0
// Asks the server for something.

/** A request was refused; `conflict` if somebody else has changed the same part. */
export class Refusal extends Error {
  constructor(message, conflict) {
    super(message);
    this.conflict = conflict;
  }
}

/** Return the content of an answer, or throw a Refusal. */
export async function ask(address, options) {
  let answer;
  try {
    answer = await fetch(address, options);
  } catch {
    throw new Refusal("The server does not answer. Is it still running?", false);
  }
  const content = await answer.json();
  if (!answer.ok) throw new Refusal(content.problem, answer.status === 409);
  return content;
}
