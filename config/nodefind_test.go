package config

import (
	"reflect"
	"strconv"
	"testing"

	"github.com/vrfredist/vrfredist/vrf"
)

// TestFind: each node is found by its canonical path, in sections with few keys and with many, and
// nothing is found where nothing is.
func TestFind(t *testing.T) {
	text := `{"Neighbors":[{"config":{"neighbor_address":"192.0.2.1"}},{"config":{"neighbor-address":"192.0.2.2"}}],"many":{`
	for i := range 3 * fewFields {
		text += `"k_` + strconv.Itoa(i) + `":[[1],[2,` + strconv.Itoa(i) + `]],`
	}
	p := &problems{}
	root := readJSON(p, []byte(text+`"last":{}}}`))
	if root == nil {
		t.Fatal(p.list)
	}
	for path, want := range map[string]string{
		"neighbors[1].config.neighbor-address": "192.0.2.2", "neighbors[0].config.neighbor-address": "192.0.2.1",
		"many.k-5[1][1]": "5", "many.k-35[1][1]": "35",
	} {
		if n := root.find(path); n == nil || n.text != want {
			t.Errorf("%s is %v, want %s", path, n, want)
		}
	}
	for _, path := range []string{"neighbors[2]", "neighbors[0].config.x", "many.k-5[1][1][0]", "x[0].y", "many.last[0]", "neighbors.config"} {
		if n := root.find(path); n != nil {
			t.Errorf("%s is %v", path, n)
		}
	}
}

// TestLayersAreReadOnce: a reading works on a copy of what a layer's section is, and the next one finds
// it as it was applied; a damaged one is reported each time.
func TestLayersAreReadOnce(t *testing.T) {
	c := layeredOver(t, asks("green", green), asks("red", `{"export":{"metric":3},"table":5}`, "export.metric", "table"))
	for _, key := range c.Layers().Keys() {
		layer, _ := c.Layers().Get(key)
		if fresh := readJSON(&problems{}, layer.Section); layer.tree == nil || !reflect.DeepEqual(fresh.copiedTo(-3), layer.tree.copiedTo(-3)) || layer.tree.path != "" || layer.tree.line != fresh.line {
			t.Errorf("%s is not as it was applied after it was read", key)
		}
	}
	again, err := ParseUnder("f.toml", []byte(layered), c.Layers(), fakeBGP())
	if err != nil || !reflect.DeepEqual(again.VRFs, c.VRFs) || string(again.BGP) != string(c.BGP) {
		t.Errorf("read again it is another configuration: %v", err)
	}
	damaged := c.Layers().With(vrf.LayerKey{Name: "blue"}, Layer{Section: []byte(`{"name":`)})
	for range 2 {
		if _, err := ParseUnder("f.toml", []byte(layered), damaged, fakeBGP()); err == nil {
			t.Error("a damaged section is taken")
		}
	}
}
