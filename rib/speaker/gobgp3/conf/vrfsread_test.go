package conf

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// What is read of VRFs here is what GoBGP reads.
func TestVRFsAreReadAsGoBGPReadsThem(t *testing.T) {
	const head = `{"global": {"config": {"as": 65000, "router-id": "10.0.0.1"}}, "neighbors": [{"config": {"neighbor-address": "10.0.0.2", "peer-as": 65000}}], "vrfs": `
	config := func(fields ...string) string { return `{"config": {` + strings.Join(fields, ", ") + `}}` }
	const red, rd = `"name": "red"`, `"rd": "65000:1"`
	for _, tt := range []struct {
		vrfs  string
		apart bool
	}{
		{"[" + config(red, rd) + "]", true},
		{"[" + config(red, rd, `"both-rt-list": ["65000:1", "65000:2"]`) + "]", true},
		{"[" + config(red, rd, `"both-rt-list": ["65000:1"]`, `"import-rt-list": ["65000:7"]`) + "]", true},
		{"[" + config(red, rd, `"both-rt-list": ["65000:1"]`, `"export-rt-list": ["10.0.0.1:7", "1.0:7"]`) + "]", true},
		{"[" + config(red, `"rd": "10.0.0.1:7"`, `"import-rt-list": []`, `"both-rt-list": ["65000:1"]`) + "]", true},
		{"[" + config(red, rd, `"id": 2`) + "," + config(`"name": "blue"`, `"rd": "1.0:7"`) + "," + config(`"name": "green"`, `"rd": "65000:3"`) + "," + config(`"name": "last"`, `"rd": "65000:4"`, `"id": 3`) + "]", true},
		{"[]", false},
		{"null", false},
		{"[" + config(rd) + "]", false},
		{"[" + config(red) + "]", false},
		{"[" + config(red, `"rd": "65000"`) + "]", false},
		{"[" + config(red, rd, `"both-rt-list": ["x"]`) + "]", false},
		{"[" + config(red, rd) + "," + config(red, `"rd": "65000:2"`) + "]", false},
		{"[" + config(red, rd, `"id": 2`) + "," + config(`"name": "blue"`, `"rd": "65000:2"`, `"id": 2`) + "]", false},
		{"[" + config(red, rd, `"id": "2"`) + "]", false},
		{"[" + config(`"name": 7`, rd) + "]", false},
		{"[" + config(red, rd, `"colour": "red"`) + "]", false},
		{"[" + config(red, rd, `"both-rt-list": "65000:1"`) + "]", false},
		{`[{"config": {"name": "red", "rd": "65000:1"}, "state": {"name": "red"}}]`, false},
	} {
		text := []byte(head + tt.vrfs + "}")
		if _, _, apart := withoutVRFs(text); apart != tt.apart {
			t.Errorf("%s is read apart: %v, want %v", tt.vrfs, apart, tt.apart)
		}
		want, wantErr := parseAll(text)
		got, err := parse(text)
		if fmt.Sprint(err) != fmt.Sprint(wantErr) {
			t.Errorf("%s: %v, and GoBGP says %v", tt.vrfs, err, wantErr)
		}
		if err != nil {
			continue
		}
		for _, set := range []*oc.BgpConfigSet{want, got} { // whose families have another order each time
			set.Global.AfiSafis, set.Neighbors[0].AfiSafis = nil, nil
		}
		if d := cmp.Diff(asJSON(t, want), asJSON(t, got)); d != "" {
			t.Errorf("%s: GoBGP's, and ours: %s", tt.vrfs, d)
		}
	}
}

// Identifiers that are read without GoBGP are as GoBGP reads them.
func TestPlainIdentifiers(t *testing.T) {
	texts := []string{"0:0", "0:1", "1:0", "65535:4294967295", "65536:1", "1:4294967296", "01:1", "1:01", "+1:1", "1:+1", "-1:1", "1", "", ":", "1:", ":1", "1:1:1", " 1:1", "1:1 ", "1_0:1", "1.2:3", "10.0.0.1:5", "1:0x1"}
	r := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		texts = append(texts, fmt.Sprintf("%d:%d", r.Uint32N(1<<17), r.Uint64N(1<<33)))
	}
	for _, text := range texts {
		as, number, is := twoNumbers(text)
		rd, rdErr := bgp.ParseRouteDistinguisher(text)
		rt, rtErr := bgp.ParseRouteTarget(text)
		if !is {
			continue // GoBGP reads it
		}
		if rdErr != nil || rtErr != nil || rd.String() != text || rt.String() != text {
			t.Errorf("%q is read as %d:%d, and GoBGP reads %v %v, %v %v", text, as, number, rd, rdErr, rt, rtErr)
			continue
		}
		wantRD, _ := rd.Serialize()
		wantRT, _ := rt.Serialize()
		gotRD, _ := parseRD(text)
		gotRT, _ := parseRT(text)
		if uint64(gotRD) != binary.BigEndian.Uint64(wantRD) || uint64(gotRT) != binary.BigEndian.Uint64(wantRT) {
			t.Errorf("%q is read as %x and %x, and GoBGP reads %x and %x", text, uint64(gotRD), uint64(gotRT), wantRD, wantRT)
		}
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
