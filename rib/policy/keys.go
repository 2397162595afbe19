package policy

import "slices"

// Place is where a policy is used.
type Place uint8

// The places, each with the key that names a policy there.
const (
	Import      Place = iota // kernel to BGP: policy of import
	Export                   // BGP to the kernel: policy of export
	Receive                  // what other VRFs and PEs have for the VRF
	Send                     // what goes out of the VRF as VPN routes
	NeighborIn               // what a neighbour sends
	NeighborOut              // what a neighbour is told
	Leak                     // from one VRF into another
	places
)

// String says it for a person.
func (p Place) String() string {
	return [...]string{
		"import, which judges kernel routes", "export, which judges paths on their way to the kernel",
		"receive, which judges the paths of other VRFs and PEs", "send, which judges what goes out as VPN routes",
		"a neighbour's import policy", "a neighbour's export policy", "a leak, which judges another VRF's paths",
	}[p]
}

// keyName is one key of a rule.
type keyName uint8

// The keys of a rule. Those of conditions may have not_ before them.
const (
	keyPrefixes keyName = iota
	keyFamilies
	keySourceVRFs
	keyNeighbors
	keyNexthops
	keyProtocols
	keyInterfaces
	keyMetric
	keyRPKI
	keyLocalPref
	keyMED
	keyOriginAS
	keyASPathLength
	keyCommunities
	keyCommunitiesAll
	keyLarge
	keyLargeAll
	keyRouteTargets
	keyExtended
	keyASPath

	keySetLocalPref
	keySetMED
	keyPrepend
	keySetNexthop
	keySetCommunities
	keyAddCommunities
	keyRemoveCommunities
	keySetLarge
	keyAddLarge
	keyRemoveLarge
	keySetMetric
	keySetPrefSrc
	keySetWeight
	keyWeightBandwidth
	keyNames
)

// String is the key as configurations write it.
func (k keyName) String() string {
	return [keyNames]string{
		keyPrefixes:          "prefixes",
		keyFamilies:          "families",
		keySourceVRFs:        "source_vrfs",
		keyNeighbors:         "neighbors",
		keyNexthops:          "nexthops",
		keyProtocols:         "protocols",
		keyInterfaces:        "interfaces",
		keyMetric:            "metric",
		keyRPKI:              "rpki",
		keyLocalPref:         "local_pref",
		keyMED:               "med",
		keyOriginAS:          "origin_as",
		keyASPathLength:      "as_path_length",
		keyCommunities:       "communities",
		keyCommunitiesAll:    "communities_all",
		keyLarge:             "large_communities",
		keyLargeAll:          "large_communities_all",
		keyRouteTargets:      "route_targets",
		keyExtended:          "ext_communities",
		keyASPath:            "as_path",
		keySetLocalPref:      "set_local_pref",
		keySetMED:            "set_med",
		keyPrepend:           "prepend_as",
		keySetNexthop:        "set_nexthop",
		keySetCommunities:    "set_communities",
		keyAddCommunities:    "add_communities",
		keyRemoveCommunities: "remove_communities",
		keySetLarge:          "set_large_communities",
		keyAddLarge:          "add_large_communities",
		keyRemoveLarge:       "remove_large_communities",
		keySetMetric:         "set_metric",
		keySetPrefSrc:        "set_prefsrc",
		keySetWeight:         "set_weight",
		keyWeightBandwidth:   "weight_from_bandwidth",
	}[k]
}

var (
	everywhere = []Place{Import, Export, Receive, Send, NeighborIn, NeighborOut, Leak}
	ofPaths    = []Place{Export, Receive, Send, NeighborIn, NeighborOut, Leak}
	ofKernel   = []Place{Import}
	toKernel   = []Place{Export}
)

// meaning says where each key of a rule means something.
var meaning = [keyNames][]Place{
	keyPrefixes: everywhere, keyFamilies: everywhere, keyNexthops: everywhere,
	keyProtocols: ofKernel, keyInterfaces: ofKernel, keyMetric: ofKernel,
	keyNeighbors: ofPaths, keyOriginAS: ofPaths, keyASPathLength: ofPaths, keyASPath: ofPaths,
	keyRouteTargets: ofPaths, keyExtended: ofPaths, keyRPKI: ofPaths,
	keySourceVRFs: {Export, Receive, Send, NeighborOut, Leak}, // what a neighbour sends has one
	// Of kernel routes they are what the import gives them, and what an earlier rule changed.
	keyLocalPref: everywhere, keyMED: everywhere,
	keyCommunities: everywhere, keyCommunitiesAll: everywhere, keyLarge: everywhere, keyLargeAll: everywhere,

	keySetLocalPref: everywhere, keySetMED: everywhere, keyPrepend: everywhere,
	keySetCommunities: everywhere, keyAddCommunities: everywhere, keyRemoveCommunities: everywhere,
	keySetLarge: everywhere, keyAddLarge: everywhere, keyRemoveLarge: everywhere,
	// An imported route and a VPN route of a VRF have this router for their nexthop.
	keySetNexthop: {Export, Receive, NeighborIn, NeighborOut, Leak},
	keySetMetric:  toKernel, keySetPrefSrc: toKernel, keySetWeight: toKernel, keyWeightBandwidth: toKernel,
}

// Keys are the keys of a rule, those of conditions without not_, with the places where each means
// something.
func Keys() map[string][]Place {
	out := make(map[string][]Place, keyNames)
	for k := range keyNames {
		out[k.String()] = slices.Clone(meaning[k])
	}
	return out
}

// means tells whether a key means something in a place. Only to a neighbour a path can be told
// with another nexthop than the one that it is forwarded by here.
func (r *Rule) means(key keyName, at Place) bool {
	if key == keySetNexthop && !r.Set.Nexthop.Addr.IsValid() {
		return at == NeighborOut
	}
	return slices.Contains(meaning[key], at)
}

// Misuse is a key of a rule that means nothing where its policy is used.
type Misuse struct {
	Rule int    // its index
	Key  string // as it is written: "not_protocols"
}

// Misused returns the keys of the rules that mean nothing in a place.
func (d *Definition) Misused(at Place) (out []Misuse) {
	for i := range d.Rules {
		r := &d.Rules[i]
		for _, k := range r.When.keys() {
			if !r.means(k, at) {
				out = append(out, Misuse{i, k.String()})
			}
		}
		for _, k := range r.Unless.keys() {
			if !r.means(k, at) {
				out = append(out, Misuse{i, "not_" + k.String()})
			}
		}
		for _, k := range r.Set.keys() {
			if !r.means(k, at) {
				out = append(out, Misuse{i, k.String()})
			}
		}
	}
	return out
}
