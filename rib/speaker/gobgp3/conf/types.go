package conf

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
)

// types checks a value against the type that GoBGP has for it. GoBGP converts
// in silence: it makes 1 of the AS 4294967297, and takes any word for an
// enumeration.
func (f *findings) types(v any, t reflect.Type, path string) {
	switch {
	case v == nil && (t.Kind() == reflect.Struct || t.Kind() == reflect.Slice):
		// An empty section of a YAML file.
	case v == nil:
		f.fail(path, "has no value")
	case t.Kind() == reflect.Struct:
		f.structure(v, t, path)
	case isSectionList(t):
		list, ok := v.([]any)
		if !ok {
			f.fail(path, "must be a list of sections")
			return
		}
		for i, e := range list {
			f.structure(e, t.Elem(), fmt.Sprintf("%s[%d]", path, i))
		}
	case t.Kind() == reflect.Slice:
		list, ok := v.([]any)
		if !ok {
			list = []any{v} // GoBGP takes a single value for a list of one
		}
		for i, e := range list {
			f.types(e, t.Elem(), fmt.Sprintf("%s[%d]", path, i))
		}
	case t.Kind() == reflect.String:
		f.word(v, t, path)
	case t.Kind() == reflect.Bool:
		if _, ok := v.(bool); !ok {
			f.fail(path, "%v is neither true nor false", v)
		}
	default:
		f.numeric(v, t, path)
	}
}

// typesOf are the types of a section's keys. There may be thousands of sections of one type.
func (f *findings) typesOf(t reflect.Type) map[string]reflect.Type {
	if known := f.sections[t]; known != nil {
		return known
	}
	types := make(map[string]reflect.Type)
	for field := range fieldsOf(t) {
		types[tagOf(field)] = field.Type
	}
	if f.sections == nil {
		f.sections = make(map[reflect.Type]map[string]reflect.Type)
	}
	f.sections[t] = types
	return types
}

func (f *findings) structure(v any, t reflect.Type, path string) {
	m, ok := v.(map[string]any)
	if !ok {
		f.fail(path, "must be a section, not %v", v)
		return
	}
	types := f.typesOf(t)
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if types[k] == nil {
			f.fail(join(path, k), "unknown key")
			continue
		}
		f.types(m[k], types[k], join(path, k))
	}
}

func (f *findings) word(v any, t reflect.Type, path string) {
	s, ok := v.(string)
	if !ok {
		f.fail(path, "%v is not text: write it in quotes", v)
		return
	}
	// GoBGP's enumerations have a check that its reader does not call.
	enum, ok := reflect.ValueOf(s).Convert(t).Interface().(interface{ Validate() error })
	if !ok || s == "" {
		return
	}
	if err := enum.Validate(); err != nil {
		f.fail(path, "%q is none of the values that GoBGP knows%s", s, choices(enum))
	}
}

// choices lists the values of an enumeration of GoBGP.
func choices(enum any) string {
	var words []string
	switch enum.(type) {
	case oc.AfiSafiType:
		words = wordsOf(oc.AfiSafiTypeToIntMap)
	case oc.AttributeComparison:
		words = wordsOf(oc.AttributeComparisonToIntMap)
	case oc.BgpOriginAttrType:
		words = wordsOf(oc.BgpOriginAttrTypeToIntMap)
	case oc.BgpSetCommunityOptionType:
		words = wordsOf(oc.BgpSetCommunityOptionTypeToIntMap)
	case oc.BmpRouteMonitoringPolicyType:
		words = wordsOf(oc.BmpRouteMonitoringPolicyTypeToIntMap)
	case oc.DefaultPolicyType:
		words = wordsOf(oc.DefaultPolicyTypeToIntMap)
	case oc.MatchSetOptionsRestrictedType:
		words = wordsOf(oc.MatchSetOptionsRestrictedTypeToIntMap)
	case oc.MatchSetOptionsType:
		words = wordsOf(oc.MatchSetOptionsTypeToIntMap)
	case oc.MrtType:
		words = wordsOf(oc.MrtTypeToIntMap)
	case oc.PeerType:
		words = wordsOf(oc.PeerTypeToIntMap)
	case oc.RemovePrivateAsOption:
		words = wordsOf(oc.RemovePrivateAsOptionToIntMap)
	case oc.RouteDisposition:
		words = wordsOf(oc.RouteDispositionToIntMap)
	case oc.RouteType:
		words = wordsOf(oc.RouteTypeToIntMap)
	case oc.RpkiValidationResultType:
		words = wordsOf(oc.RpkiValidationResultTypeToIntMap)
	}
	if len(words) == 0 {
		return ""
	}
	return "; write one of " + strings.Join(words, ", ")
}

func wordsOf[T ~string](values map[T]int) []string {
	var words []string
	for _, v := range slices.Sorted(maps.Keys(values)) {
		words = append(words, string(v))
	}
	return words
}

func (f *findings) numeric(v any, t reflect.Type, path string) {
	n, ok := v.(float64)
	if s, isText := v.(string); isText {
		parsed, err := strconv.ParseFloat(s, 64)
		n, ok = parsed, err == nil
	}
	if !ok {
		f.fail(path, "%v is no number", v)
		return
	}
	var low, high float64
	switch t.Kind() {
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Int:
		high = math.Exp2(float64(t.Bits()-1)) - 1
		low = -high - 1
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uint:
		high = math.Exp2(float64(t.Bits())) - 1
	default: // float64: a number of seconds
		if n < 0 || math.IsInf(n, 0) || math.IsNaN(n) {
			f.fail(path, "%v is no number of seconds", v)
		}
		return
	}
	if n != math.Trunc(n) || n < low || n > high {
		f.fail(path, "%v is not a whole number from %.0f to %.0f", v, low, high)
	}
}
