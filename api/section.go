package api

import (
	"encoding/json"
	"maps"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
)

// section is a message as the JSON of a configuration: the fields that are set, each a key of the
// same name. So a request is read by what reads a file.
func section(m proto.Message) ([]byte, error) { return json.Marshal(plainMessage(m.ProtoReflect())) }

func plainMessage(m protoreflect.Message) map[string]any {
	out := make(map[string]any)
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if f.IsList() {
			list := v.List()
			items := make([]any, list.Len())
			for i := range items {
				items[i] = plainValue(f, list.Get(i))
			}
			out[string(f.Name())] = items
			return true
		}
		out[string(f.Name())] = plainValue(f, v)
		return true
	})
	return out
}

func plainValue(f protoreflect.FieldDescriptor, v protoreflect.Value) any {
	if f.Kind() != protoreflect.MessageKind {
		return v.Interface()
	}
	switch m := v.Message().Interface().(type) {
	case *structpb.Struct:
		return wholeNumbers(m.AsMap())
	case *vrfredistv1.StringList:
		return append([]string{}, m.GetValues()...) // one that is set and has nothing says so
	default:
		return plainMessage(v.Message())
	}
}

// wholeNumbers makes whole numbers of those of a Struct, all of which are floats, where they are
// some: json writes large floats with an exponent.
func wholeNumbers(m map[string]any) map[string]any {
	for key, v := range maps.Clone(m) {
		m[key] = wholeNumber(v)
	}
	return m
}

func wholeNumber(v any) any {
	switch v := v.(type) {
	case float64:
		if n := int64(v); float64(n) == v {
			return n
		}
	case map[string]any:
		return wholeNumbers(v)
	case []any:
		for i := range v {
			v[i] = wholeNumber(v[i])
		}
	}
	return v
}
