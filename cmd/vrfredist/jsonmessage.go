package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// marshal renders a message as compact JSON with the names of the .proto, every field present but
// for messages and optional values that are not set. protojson would put numbers of 64 bits into
// quotes, because JavaScript rounds them; jq and every language that has such numbers read them as
// they are.
func marshal(m proto.Message) (json.RawMessage, error) {
	return unescaped(orderedFields{m.ProtoReflect()})
}

// unescaped is a value as JSON in which <, > and & are themselves.
func unescaped(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSpace(b.Bytes()), err
}

// orderedFields is a message as JSON, its fields in the order of the .proto.
type orderedFields struct{ protoreflect.Message }

// MarshalJSON implements json.Marshaler.
func (o orderedFields) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	fields := o.Descriptor().Fields()
	first := true
	for i := range fields.Len() {
		f := fields.Get(i)
		if f.HasPresence() && !o.Has(f) {
			continue
		}
		if !first {
			b.WriteByte(',')
		}
		first = false
		raw, err := unescaped(fieldValue(f, o.Get(f)))
		if err != nil {
			return nil, err
		}
		b.WriteString(`"` + string(f.Name()) + `":`)
		b.Write(raw)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// fieldValue is a field's value as encoding/json writes it.
func fieldValue(f protoreflect.FieldDescriptor, v protoreflect.Value) any {
	switch {
	case f.IsMap():
		m := make(map[string]any)
		v.Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
			m[k.String()] = single(f.MapValue(), v)
			return true
		})
		return m
	case f.IsList():
		list := make([]any, 0, v.List().Len())
		for i := range v.List().Len() {
			list = append(list, single(f, v.List().Get(i)))
		}
		return list
	}
	return single(f, v)
}

func single(f protoreflect.FieldDescriptor, v protoreflect.Value) any {
	switch f.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return orderedFields{v.Message()}
	case protoreflect.EnumKind:
		if d := f.Enum().Values().ByNumber(v.Enum()); d != nil {
			return string(d.Name())
		}
		return int32(v.Enum())
	case protoreflect.BytesKind:
		return base64.StdEncoding.EncodeToString(slices.Clone(v.Bytes()))
	}
	return v.Interface()
}
