/**
 * Streams whose messages are encoded and decoded here, not by reflection: the generic codec takes several times as long for each
 * message. To the stub such a message is an empty one with fields that it does not know, which it carries as they are.
 */

import type { DescMessage, DescMethodStreaming } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import type { Empty } from "@bufbuild/protobuf/wkt";
import { EmptySchema } from "@bufbuild/protobuf/wkt";
import { Reader } from "./reader.js";
import { Writer } from "./writer.js";

/** A field as it is on the wire; of one with a length, the length is in front of the data. */
export type Field = NonNullable<Empty["$unknown"]>[number];

/** A method, its messages on both sides unread. */
export function rawMethod<I extends DescMessage, O extends DescMessage>(
  method: DescMethodStreaming<I, O>,
): DescMethodStreaming<typeof EmptySchema, typeof EmptySchema> {
  return { ...method, input: EmptySchema, output: EmptySchema };
}

/** A message of these fields. */
export function rawMessage(fields: Field[]): Empty {
  const message = create(EmptySchema);
  message.$unknown = fields;
  return message;
}

/** The fields of a message. */
export function fieldsOf(message: Empty): Field[] {
  return message.$unknown ?? [];
}

/** A field of a number. */
export function varintField(no: number, value: number): Field {
  return { no, wireType: WireType.Varint, data: new Writer(10).varint(value).finish() };
}

/** A field of bytes. Copies them: for what is small, or sent once. */
export function bytesField(no: number, value: Uint8Array): Field {
  const data = new Writer(value.length + 5).varint(value.length).raw(value).finish();
  return { no, wireType: WireType.LengthDelimited, data };
}

/** Reads the message in a field. */
export function readerOf(field: Field): Reader {
  const outer = new Reader(field.data);
  return outer.nested();
}
