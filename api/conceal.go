package api

import (
	"regexp"
	"strconv"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/vrfredist/vrfredist/api/access"
)

// naming finds where a text names VRFs. Every text of the program that names a VRF
// writes: VRF "name".
var naming = regexp.MustCompile(`VRFs? ("(?:[^"\\]|\\.)*"(?:(?:, | and | or )"(?:[^"\\]|\\.)*")*)`)

var quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// conceal takes the names of VRFs that the caller may not see out of a text. The
// handlers make no answer with such a name; this is the net below them.
func conceal(text string, g access.Grant) string {
	if g.SeesAll() {
		return text
	}
	return naming.ReplaceAllStringFunc(text, func(found string) string {
		for _, q := range quoted.FindAllString(found, -1) {
			if name, err := strconv.Unquote(q); err != nil || !g.Sees(name) {
				return "another VRF"
			}
		}
		return found
	})
}

// concealIn conceals in every text of a message.
func concealIn(m protoreflect.Message, g access.Grant) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap():
			concealMap(f, v.Map(), g)
		case f.IsList():
			list := v.List()
			for i := range list.Len() {
				if hidden, changed := concealValue(f.Kind(), list.Get(i), g); changed {
					list.Set(i, hidden)
				}
			}
		default:
			if hidden, changed := concealValue(f.Kind(), v, g); changed {
				m.Set(f, hidden)
			}
		}
		return true
	})
}

func concealMap(f protoreflect.FieldDescriptor, entries protoreflect.Map, g access.Grant) {
	entries.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		if hidden, changed := concealValue(f.MapValue().Kind(), v, g); changed {
			entries.Set(k, hidden)
		}
		return true
	})
}

func concealValue(kind protoreflect.Kind, v protoreflect.Value, g access.Grant) (protoreflect.Value, bool) {
	switch kind {
	case protoreflect.StringKind:
		hidden := conceal(v.String(), g)
		return protoreflect.ValueOfString(hidden), hidden != v.String()
	case protoreflect.MessageKind, protoreflect.GroupKind:
		concealIn(v.Message(), g)
	}
	return v, false
}
