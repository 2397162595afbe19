package lab

import (
	"encoding/json"
	"testing"
)

// TestRouteWithLabels: the prefix of a route is what is printed first as its destination, and not
// the labels.
func TestRouteWithLabels(t *testing.T) {
	t.Parallel()
	var routes []Route
	const out = `[{"type":"1","dst":"10.2.0.0/24","nhid":7,"encap":"mpls","dst":"16002/2000","gateway":"10.0.1.2","dev":"core","table":"1100","protocol":"179","metric":20,"flags":["onlink"]}]`
	if err := json.Unmarshal([]byte(out), &routes); err != nil {
		t.Fatal(err)
	}
	Equal(t, "the route", "10.2.0.0/24 via 10.0.1.2 dev core metric 20", routes[0].String())
}
