package config

import (
	"reflect"
	"strings"
	"testing"
)

func TestMetrics(t *testing.T) {
	const global = "[global.config]\n  as = 65000\n  router-id = \"192.0.2.1\"\n"
	for text, want := range map[string]Metrics{
		"": {},
		"[netlink.metrics]\n  listen = \"127.0.0.1:9179\"\n":               {Listen: "127.0.0.1:9179"},
		"[netlink.metrics]\n  listen = \":9179\"\n  gobgp = true\n":        {Listen: "127.0.0.1:9179", GoBGP: true},
		"[netlink.metrics]\n  listen = \":9179\"\n  open_metrics = true\n": {Listen: "127.0.0.1:9179", OpenMetrics: true},
		"[netlink.metrics]\n  listen = \":9179\"\n  open_metrics = true\n  exemplars = true\n": {
			Listen: "127.0.0.1:9179", OpenMetrics: true, Exemplars: true},
		"[netlink.metrics]\n  listen = \"[::1]:9179\"\n":                    {Listen: "[::1]:9179"},
		"[netlink.metrics]\n  listen = \"0.0.0.0:9179\"\n  gobgp = false\n": {Listen: "0.0.0.0:9179"},
		"[netlink.metrics]\n  listen = \":1\"\n  status_page = true\n  status_hosts = [\"R1.Example.net.\"]\n": {
			Listen: "127.0.0.1:1", StatusPage: true, StatusHosts: []string{"r1.example.net"}},
	} {
		c, err := Parse("f.toml", []byte(global+text), fakeBGP())
		if err != nil || !reflect.DeepEqual(c.Metrics, want) {
			t.Errorf("%q: %+v, %v, want %+v", text, c, err, want)
		}
	}
	for text, want := range map[string]string{
		"[netlink.metrics]\n  gobgp = true\n":                                                        "f.toml:4: netlink.metrics.listen: is missing",
		"[netlink.metrics]\n  listen = \"9179\"\n":                                                   "f.toml:5: netlink.metrics.listen: \"9179\" is no address and port",
		"[netlink.metrics]\n  listen = \"example.org:9179\"\n":                                       "is no address and port",
		"[netlink.metrics]\n  listen = \"127.0.0.1:0\"\n":                                            "is no address and port",
		"[netlink.metrics]\n  listen = \":1\"\n  status_hosts = [\"r1\"]\n":                          "f.toml:6: netlink.metrics.status_hosts: names hosts of the status page, which is off",
		"[netlink.metrics]\n  listen = \":1\"\n  status_page = true\n  status_hosts = [\"r1:80\"]\n": "without a port",
		"[netlink.metrics]\n  listen = \":1\"\n  exemplars = true\n":                                 "f.toml:6: netlink.metrics.exemplars: are shown in OpenMetrics alone, which is off",
		"[netlink.metrics]\n  listen = 9179\n":                                                       "is not text",
		"[netlink.metrics]\n  listen = \":9179\"\n  port = 9179\n":                                   "unknown key",
	} {
		if _, err := Parse("f.toml", []byte(global+text), fakeBGP()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
