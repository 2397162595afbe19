package conf

import (
	"fmt"
	"slices"
	"strings"

	"github.com/osrg/gobgp/v3/pkg/config/oc"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// What goes out of a VRF as a VPN route is judged by the VRF's own policy before all else. GoBGP
// does not know the VRF of a VPN route where it tells neighbours, so routes of a VRF that has
// such a policy carry a mark (rib.SendMark), which the statements look for: config writes them
// so. A statement that accepts takes the mark off, so that no later one of the policy matches,
// and the other policies have their turn. In the end no route has a mark any more.
//
// Neighbours in VRFs are told unicast routes without extended communities, and are in no
// statement's way.

const (
	setSent   = ruleName + "goes out of a VRF"
	matchSent = "rt:^0:3[0-9]{9}$"
)

// SendStatement names the statements that judge what goes out of a VRF, in their order, in the
// policy RuleOut.
func SendStatement(vrf string, i int) string {
	return fmt.Sprintf("%s[%d]", sendName(vrf), i)
}

// SendMarks are the marks of what goes out of VRFs, by VRF: of those that have such a policy, and
// of those whose neighbours are told of the VRF's own routes alone by them (Extras.Screened).
func (c *Config) SendMarks() map[string]rib.RT {
	marks := make(map[string]rib.RT, len(c.Extras.Sends))
	for _, v := range c.VRFs {
		if c.Extras.Sends[v.Name] != "" || c.IsScreened(v.Name) {
			marks[v.Name] = rib.SendMark(v.Name, "")
		}
	}
	return marks
}

// Marks are those that what goes out of VRFs carries, by VRF: for the policies of that, and of how
// it is carried.
func (c *Config) Marks() map[string][]rib.RT {
	marks := make(map[string][]rib.RT)
	for name, rt := range c.SendMarks() {
		marks[name] = append(marks[name], rt)
	}
	for name, list := range carriageMarks(c) {
		marks[name] = append(marks[name], list...)
	}
	return marks
}

// addSends judges what goes out of VRFs, and keeps what is leaked into them from all neighbours
// that get VPN routes, but for what those policies let out: it is for neighbours in the VRFs.
func addSends(r *rules, c *Config) {
	ext := func(name, match string) {
		b := &r.sets.BgpDefinedSets
		b.ExtCommunitySets = append(b.ExtCommunitySets, oc.ExtCommunitySet{ExtCommunitySetName: name, ExtCommunityList: []string{match}})
	}
	addCarried(r, c, ext)
	marks, carried := c.SendMarks(), carriageMarks(c)
	for _, v := range c.VRFs {
		if _, has := marks[v.Name]; !has {
			continue
		}
		for i, s := range statementsOf(&c.Set, c.Extras.Sends[v.Name]) {
			name := SendStatement(v.Name, i)
			r.words[name] = r.words.Of(c.Extras.Sends[v.Name], s.Name)
			s.Name = name
			keepMarks(&s, carried[v.Name])
			r.out = append(r.out, s)
		}
	}
	if carries(c) || slices.ContainsFunc(c.VRFs, func(v speaker.VRF) bool { return len(c.Extras.Leaks[v.Name]) > 0 || c.IsScreened(v.Name) }) {
		ext(setLeaked, matchLeaked)
		r.reject("leaked into a VRF", "it is leaked into its VRF, and bgp.send does not accept it with source_vrfs", ofFamilies(carryingExt(oc.Conditions{}, setLeaked), vpnFamilies))
	}
	if len(marks) == 0 {
		return
	}
	ext(setSent, matchSent)
	r.out = append(r.out, oc.Statement{
		Name: setSent, Conditions: carryingExt(oc.Conditions{}, setSent),
		Actions: oc.Actions{BgpActions: oc.BgpActions{SetExtCommunity: oc.SetExtCommunity{
			Options:               string(oc.BGP_SET_COMMUNITY_OPTION_TYPE_REMOVE),
			SetExtCommunityMethod: oc.SetExtCommunityMethod{CommunitiesList: []string{matchSent}},
		}}},
	})
}

// sendName is what the names of the statements begin with that judge what goes out of a VRF.
func sendName(vrf string) string { return ruleName + "send of " + vrf }

// JudgesSend tells whether a statement is of the policy of what goes out of a VRF.
func JudgesSend(statement, vrf string) bool { return strings.HasPrefix(statement, sendName(vrf)+"[") }

// IsScreened tells whether a VRF is one of Extras.Screened.
func (c *Config) IsScreened(vrf string) bool { return slices.Contains(c.Extras.Screened, vrf) }
