package metrics

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// rows is the table of docs/METRICS.md, made of what is exported.
func rows() string {
	var b strings.Builder
	for _, f := range families() {
		labels := make([]string, len(f.labels))
		for i, l := range f.labels {
			labels[i] = "`" + l + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.name, f.kind, strings.Join(labels, ", "), f.help)
	}
	return b.String()
}

func TestTheDocumentationIsRight(t *testing.T) {
	doc, err := os.ReadFile("../docs/METRICS.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(doc), rows()) {
		t.Errorf("docs/METRICS.md lacks a row, or has another; its table is\n%s", rows())
	}
	for _, state := range []rib.State{rib.Installed, rib.Filtered, rib.Unresolved, rib.Conflict, rib.OverQuota, rib.Failed, rib.Stale} {
		if !strings.Contains(string(doc), "`"+state.String()+"`") {
			t.Errorf("docs/METRICS.md does not name the state %s", state)
		}
	}
	for i := range (vrf.Resyncs{}) {
		if name := rib.ResyncReason(i).String(); !strings.Contains(string(doc), "`"+name+"`") {
			t.Errorf("docs/METRICS.md does not name the reason %s", name)
		}
	}
}

// What is exported is what families says, by type too.
func TestFamiliesAreWhatIsExported(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(NewCollector(newSource(), fakeCore{}, thisDaemon(), slog.New(slog.DiscardHandler)))
	got, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var exported, said []string
	for _, f := range got {
		exported = append(exported, f.GetName()+" "+strings.ToLower(f.GetType().String()))
	}
	for _, f := range families() {
		said = append(said, f.name+" "+f.kind)
	}
	slices.Sort(said)
	if !slices.Equal(exported, said) {
		t.Errorf("exported\n%v\nsaid\n%v", exported, said)
	}
}

// Rules and dashboard name no metric that there is not.
func TestContribUsesWhatIsThere(t *testing.T) {
	known := map[string]bool{}
	for _, f := range families() {
		known[f.name] = true
		if f.kind == "histogram" {
			for _, end := range []string{"_bucket", "_sum", "_count"} {
				known[f.name+end] = true
			}
		}
	}
	for _, file := range []string{"../contrib/prometheus/vrfredist.rules.yml", "../contrib/grafana/vrfredist.json"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		used := regexp.MustCompile(`vrfredist_[a-z_]+`).FindAllString(string(text), -1)
		if len(used) < 5 {
			t.Errorf("%s uses %d metrics", file, len(used))
		}
		for _, name := range used {
			if !known[name] {
				t.Errorf("%s uses %s, which is not exported", file, name)
			}
		}
	}
}

func TestPromtoolAcceptsTheRules(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed: it is in Debian's package prometheus")
	}
	for _, args := range [][]string{{"check", "rules", "vrfredist.rules.yml"}, {"test", "rules", "vrfredist.test.yml"}} {
		cmd := exec.Command(promtool, args...)
		cmd.Dir = "../contrib/prometheus"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}
