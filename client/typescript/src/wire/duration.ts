import { create } from "@bufbuild/protobuf";
import type { Duration } from "@bufbuild/protobuf/wkt";
import { DurationSchema } from "@bufbuild/protobuf/wkt";

/** Milliseconds as a google.protobuf.Duration. */
export function wireDuration(ms: number): Duration {
  if (!Number.isFinite(ms)) {
    throw new TypeError(`a number of milliseconds is needed, not ${ms}`);
  }
  const seconds = Math.trunc(ms / 1_000);
  return create(DurationSchema, { seconds: BigInt(seconds), nanos: Math.round((ms - seconds * 1_000) * 1_000_000) });
}
