package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const manifests = "../../../contrib/kubernetes/vrfredist.yaml"

// What Kubernetes would refuse, or drop in silence, is found.
func TestKubernetesFindsFaults(t *testing.T) {
	text, err := os.ReadFile(manifests)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ was, is, want string }{
		{"", "", ""},
		{"mountPropagation:", "mountPropagatio:", "'mountPropagatio' not allowed"},
		{"periodSeconds: 20", "periodSeconds: often", "/spec/template/spec/containers/0/livenessProbe/periodSeconds: "},
		{"  selector:\n    matchLabels:\n      app.kubernetes.io/name: vrfredist\n", "", "missing properties: 'selector'"},
		{"apiVersion: apps/v1", "apiVersion: apps/v9", `no group and version "apps/v9"`},
		{"kind: DaemonSet", "kind: DaemonSets", `apps/v1 has no kind "DaemonSets"`},
	} {
		name := filepath.Join(t.TempDir(), "one.yaml")
		if err := os.WriteFile(name, []byte(strings.Replace(string(text), tc.was, tc.is, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		err := run([]string{"kubernetes", name})
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q in place of %q: %v, want %q", tc.is, tc.was, err, tc.want)
		}
	}
}
