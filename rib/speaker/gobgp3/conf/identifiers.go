package conf

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
)

// twoNumbers reads AS:number, with an AS of 16 bits and nothing that could be written shorter: what
// nearly all route distinguishers and targets are. GoBGP reads them with regular expressions, which
// takes the more time the more VRFs there are.
func twoNumbers(text string) (as uint16, number uint32, is bool) {
	before, after, _ := strings.Cut(text, ":")
	a, is := decimal(before, math.MaxUint16)
	n, also := decimal(after, math.MaxUint32)
	return uint16(a), uint32(n), is && also
}

// decimal reads a number of digits alone, without zeros before it.
func decimal(text string, most uint64) (n uint64, is bool) {
	if text == "" || len(text) > 1 && text[0] == '0' {
		return 0, false
	}
	n, err := strconv.ParseUint(text, 10, 64)
	return n, err == nil && n <= most
}

// parseRD is strict where GoBGP is not: it makes 65535:1 of 70000:1.
func parseRD(text string) (rib.RD, error) {
	if as, number, is := twoNumbers(text); is {
		return rib.RD(uint64(as)<<32 | uint64(number)), nil // of type 0
	}
	rd, err := bgp.ParseRouteDistinguisher(text)
	if err != nil || rd.String() != text {
		return 0, fmt.Errorf("%q is no route distinguisher: write AS:number with an AS up to 65535, IPv4:number, or high.low:number for a 32-bit AS", text)
	}
	b, err := rd.Serialize()
	if err != nil {
		return 0, fmt.Errorf("route distinguisher %q: %w", text, err)
	}
	return rib.RD(binary.BigEndian.Uint64(b)), nil
}

func parseRT(text string) (rib.RT, error) {
	if as, number, is := twoNumbers(text); is {
		return rib.RT(uint64(bgp.EC_SUBTYPE_ROUTE_TARGET)<<48 | uint64(as)<<32 | uint64(number)), nil
	}
	rt, err := bgp.ParseRouteTarget(text)
	if err != nil || rt.String() != text {
		return 0, fmt.Errorf("%q is no route target: write AS:number with an AS up to 65535, IPv4:number, or high.low:number for a 32-bit AS", text)
	}
	b, err := rt.Serialize()
	if err != nil || len(b) != 8 {
		return 0, fmt.Errorf("%q is no route target of 8 bytes", text)
	}
	return rib.RT(binary.BigEndian.Uint64(b)), nil
}

// ParseRTs returns the route targets of a list, sorted and unique.
func ParseRTs(list []string) ([]rib.RT, error) {
	rts := make([]rib.RT, 0, len(list))
	for _, text := range list {
		rt, err := parseRT(text)
		if err != nil {
			return nil, err
		}
		rts = append(rts, rt)
	}
	slices.Sort(rts)
	return slices.Compact(rts), nil
}
