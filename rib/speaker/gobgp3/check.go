package gobgp3

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
)

// Check reads a configuration of GoBGP, as JSON with kebab-case keys and
// without sections of ours, as completely as gobgpd does, and returns every
// error in it: also those on which gobgpd would end, and those that it would
// swallow. It is the errors.Join of several; each names the section and the key
// ("neighbors[1].config.peer-group"). It starts nothing, and looks at nothing of the
// host: who is on the interface of a neighbour that is named by one shows when it runs.
func Check(text []byte) error {
	var root map[string]any
	if err := json.Unmarshal(text, &root); err != nil {
		return fmt.Errorf("GoBGP's configuration is not JSON: %w", err)
	}
	c := &checker{root: section{value: root}}
	c.types(root, reflect.TypeFor[oc.BgpConfigSet](), "")
	if len(c.errs) > 0 {
		return errors.Join(c.errs...) // the rest relies on the types
	}
	c.global()
	c.peerGroups()
	c.vrfs()
	c.neighbors()
	c.dynamicNeighbors()
	c.policies()
	c.unsupported()
	if len(c.errs) == 0 {
		placed, _, err := place(text, func(string, func(netip.Addr) bool) (netip.Addr, string) { return standIn, "" })
		if err == nil {
			_, err = parse(placed)
		}
		if err != nil {
			c.errs = append(c.errs, fmt.Errorf("GoBGP refuses the configuration: %w", err))
		}
	}
	return errors.Join(c.errs...)
}

// checker gathers the errors of one configuration.
type checker struct {
	root section
	errs []error
}

func (c *checker) fail(path, format string, args ...any) {
	if path == "" {
		path = "the configuration"
	}
	c.errs = append(c.errs, fmt.Errorf("%s: %w", path, fmt.Errorf(format, args...)))
}

// section is a section of the file and the path to it.
type section struct {
	path  string
	value map[string]any
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// at returns the section below s, empty where there is none.
func (s section) at(keys ...string) section {
	for _, k := range keys {
		v, _ := s.value[k].(map[string]any)
		s = section{join(s.path, k), v}
	}
	return s
}

// each returns the sections of a list.
func (s section) each(key string) []section {
	list, _ := s.value[key].([]any)
	out := make([]section, 0, len(list))
	for i, v := range list {
		m, _ := v.(map[string]any)
		out = append(out, section{fmt.Sprintf("%s[%d]", join(s.path, key), i), m})
	}
	return out
}

func (s section) key(key string) string { return join(s.path, key) }

func (s section) has(key string) bool { return s.value[key] != nil }

func (s section) text(key string) string {
	t, _ := s.value[key].(string)
	return t
}

func (s section) number(key string) float64 {
	switch v := s.value[key].(type) {
	case float64:
		return v
	case string:
		n, err := strconv.ParseFloat(v, 64)
		if err == nil {
			return n
		}
	}
	return 0
}

func (s section) texts(key string) []string {
	switch v := s.value[key].(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, e := range v {
			t, _ := e.(string)
			out = append(out, t)
		}
		return out
	}
	return nil
}

// types checks a value against the type that GoBGP has for it. GoBGP converts
// in silence: it makes 1 of the AS 4294967297, and takes any word for an
// enumeration.
func (c *checker) types(v any, t reflect.Type, path string) {
	switch {
	case v == nil && (t.Kind() == reflect.Struct || t.Kind() == reflect.Slice):
		// An empty section of a YAML file.
	case v == nil:
		c.fail(path, "has no value")
	case t.Kind() == reflect.Struct:
		c.structure(v, t, path)
	case isSectionList(t):
		list, ok := v.([]any)
		if !ok {
			c.fail(path, "must be a list of sections")
			return
		}
		for i, e := range list {
			c.structure(e, t.Elem(), fmt.Sprintf("%s[%d]", path, i))
		}
	case t.Kind() == reflect.Slice:
		list, ok := v.([]any)
		if !ok {
			list = []any{v} // GoBGP takes a single value for a list of one
		}
		for i, e := range list {
			c.types(e, t.Elem(), fmt.Sprintf("%s[%d]", path, i))
		}
	case t.Kind() == reflect.String:
		c.word(v, t, path)
	case t.Kind() == reflect.Bool:
		if _, ok := v.(bool); !ok {
			c.fail(path, "%v is neither true nor false", v)
		}
	default:
		c.numeric(v, t, path)
	}
}

func (c *checker) structure(v any, t reflect.Type, path string) {
	m, ok := v.(map[string]any)
	if !ok {
		c.fail(path, "must be a section, not %v", v)
		return
	}
	types := make(map[string]reflect.Type)
	for f := range fieldsOf(t) {
		types[tagOf(f)] = f.Type
	}
	for _, k := range sortedKeys(m) {
		if types[k] == nil {
			c.fail(join(path, k), "unknown key")
			continue
		}
		c.types(m[k], types[k], join(path, k))
	}
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (c *checker) word(v any, t reflect.Type, path string) {
	s, ok := v.(string)
	if !ok {
		c.fail(path, "%v is not text: write it in quotes", v)
		return
	}
	// GoBGP's enumerations have a check that its reader does not call.
	enum, ok := reflect.ValueOf(s).Convert(t).Interface().(interface{ Validate() error })
	if !ok || s == "" {
		return
	}
	if err := enum.Validate(); err != nil {
		c.fail(path, "%q is none of the values that GoBGP knows%s", s, choices(enum))
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

func (c *checker) numeric(v any, t reflect.Type, path string) {
	n, ok := v.(float64)
	if s, isText := v.(string); isText {
		parsed, err := strconv.ParseFloat(s, 64)
		n, ok = parsed, err == nil
	}
	if !ok {
		c.fail(path, "%v is no number", v)
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
			c.fail(path, "%v is no number of seconds", v)
		}
		return
	}
	if n != math.Trunc(n) || n < low || n > high {
		c.fail(path, "%v is not a whole number from %.0f to %.0f", v, low, high)
	}
}
