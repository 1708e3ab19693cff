package ferrymq

import (
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // Registers the codec that this one stands on.
	"google.golang.org/grpc/mem"
)

// frame is a request that is encoded already, in parts. They must not change while it may be on its way.
type frame [][]byte

// reader takes a response as bytes, which are its own only until it returns.
type reader interface {
	read(response []byte) error
}

// codec sends frames and reads into readers without protobuf messages between; all else is as usual.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2("proto")} }

func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	parts, ok := v.(frame)
	if !ok {
		return c.CodecV2.Marshal(v)
	}
	buffers := make(mem.BufferSlice, 0, len(parts))
	for _, part := range parts {
		buffers = append(buffers, mem.SliceBuffer(part))
	}
	return buffers, nil
}

func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	target, ok := v.(reader)
	if !ok {
		return c.CodecV2.Unmarshal(data, v)
	}
	buffer := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer buffer.Free()
	return target.read(buffer.ReadOnlyData())
}

var bothWays = &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}
