package api

import (
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// codec is gRPC's own, except that it decodes no request which is larger than it may be.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2(proto.Name)} }

// incoming is a request to be read into a message.
type incoming struct {
	into any
	most int // bytes
	size int // of the message that came
}

// Unmarshal implements encoding.CodecV2.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	in, ok := v.(*incoming)
	if !ok {
		return c.CodecV2.Unmarshal(data, v)
	}
	if in.size = data.Len(); in.size > in.most {
		return nil // guarded.RecvMsg refuses the request, in words of ours
	}
	return c.CodecV2.Unmarshal(data, in.into)
}
