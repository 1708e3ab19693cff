/** Batches and confirms on the wire. */

import { WireType } from "@bufbuild/protobuf/wire";
import type { FerryError } from "../errors.js";
import { makeError } from "../errors.js";
import type { PublishResult } from "../message.js";
import { readPosition } from "./message.js";
import type { Field } from "./raw.js";
import { varintField } from "./raw.js";
import type { Reader } from "./reader.js";
import { readFailure } from "./status.js";

/** The fields of a `PublishStreamRequest`. `request` is an encoded `PublishRequest`, its length in front. */
export function batchFields(id: number, request: Uint8Array): Field[] {
  return [varintField(1, id), { no: 2, wireType: WireType.LengthDelimited, data: request }];
}

/** The broker's answer to one batch: its results, read when they are asked for, or why it was refused. */
export interface ConfirmedBatch {
  id: number;
  results: (() => PublishResult[]) | undefined;
  failure: FerryError | undefined;
}

/** Reads a `PublishConfirm`. */
export function readConfirm(reader: Reader): ConfirmedBatch {
  const confirm: ConfirmedBatch = { id: 0, results: undefined, failure: undefined };
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        confirm.id = reader.varint();
        break;
      case 2: {
        const response = reader.nested();
        confirm.results = () => readResults(response);
        break;
      }
      case 3: {
        const { code, message, details } = readFailure(reader.nested());
        confirm.failure = makeError(code, message, details);
        break;
      }
      default:
        reader.skip();
    }
  }
  return confirm;
}

function readResults(reader: Reader): PublishResult[] {
  const results: PublishResult[] = [];
  while (reader.next()) {
    if (reader.field === 1) {
      results.push(readResult(reader.nested()));
    } else {
      reader.skip();
    }
  }
  return results;
}

/** Reads a `PublishResult`. */
export function readResult(reader: Reader): PublishResult {
  const result = {
    position: undefined as PublishResult["position"],
    duplicate: false,
    queuesMatched: 0,
    scheduleId: "",
  };
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        result.position = readPosition(reader.nested());
        break;
      case 2:
        result.duplicate = reader.varint() !== 0;
        break;
      case 3:
        result.queuesMatched = reader.varint();
        break;
      case 4:
        result.scheduleId = reader.string();
        break;
      default:
        reader.skip();
    }
  }
  return result;
}
