package service_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"gopkg.in/yaml.v3"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

const manifests = "../../contrib/kubernetes/vrfredist.yaml"

// object is what the tests look at in an object of Kubernetes.
type object struct {
	Kind string
	Data map[string]string
	Spec struct {
		Template struct {
			Spec struct {
				HostNetwork bool `yaml:"hostNetwork"`
				Containers  []container
				Volumes     []volume
			}
		}
	}
}

type container struct {
	Args            []string
	SecurityContext struct {
		ReadOnlyRootFilesystem bool `yaml:"readOnlyRootFilesystem"`
		Capabilities           struct{ Add, Drop []string }
	} `yaml:"securityContext"`
	LivenessProbe struct {
		Exec struct{ Command []string }
	} `yaml:"livenessProbe"`
	VolumeMounts []struct {
		Name             string
		MountPath        string `yaml:"mountPath"`
		MountPropagation string `yaml:"mountPropagation"`
		ReadOnly         bool   `yaml:"readOnly"`
	} `yaml:"volumeMounts"`
}

type volume struct {
	Name      string
	ConfigMap *struct{ Name string } `yaml:"configMap"`
	HostPath  *struct{ Path string } `yaml:"hostPath"`
}

// cluster returns what is applied to a cluster, by its kinds.
func cluster(t *testing.T) map[string]object {
	t.Helper()
	f, err := os.Open(manifests)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := map[string]object{}
	for dec := yaml.NewDecoder(f); ; {
		var o object
		if err := dec.Decode(&o); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all[o.Kind] = o
	}
}

// TestManifestsOfKubernetes: each object is by the API's own schema what it should be, without a
// field that the API does not know; and every node's configuration passes `vrfredist check`.
func TestManifestsOfKubernetes(t *testing.T) {
	tools(t, "test", "./...") // what is wrong is found
	schemas(t, "kubernetes", manifests)
	files := cluster(t)["ConfigMap"].Data
	if len(files) == 0 {
		t.Error("there is no configuration of a node")
	}
	for name, text := range files {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		must(t, shipped(t), "check", "-f", path)
	}
}

// bundle is a container as crun takes it (the OCI runtime specification's config.json).
type bundle struct {
	Version string         `json:"ociVersion"`
	Process process        `json:"process"`
	Root    map[string]any `json:"root"`
	Mounts  []mount        `json:"mounts"`
	Linux   linux          `json:"linux"`
}

type process struct {
	User         map[string]int      `json:"user"`
	Args         []string            `json:"args"`
	Env          []string            `json:"env"`
	Cwd          string              `json:"cwd"`
	Capabilities map[string][]string `json:"capabilities"`
}

type mount struct {
	Destination string   `json:"destination"`
	Type        string   `json:"type"`
	Source      string   `json:"source"`
	Options     []string `json:"options"`
}

type linux struct {
	Namespaces  []map[string]string `json:"namespaces"`
	Propagation string              `json:"rootfsPropagation"`
}

// containerOf is the DaemonSet's container, with the image's root, on a node whose directories are
// below dir, and whose namespaces are this host's.
func containerOf(t *testing.T, ds object, root, dir string, network *lab.Namespace) bundle {
	t.Helper()
	c := ds.Spec.Template.Spec.Containers[0]
	var capabilities []string
	for _, name := range c.SecurityContext.Capabilities.Add {
		capabilities = append(capabilities, "CAP_"+name)
	}
	if !slices.Equal(c.SecurityContext.Capabilities.Drop, []string{"ALL"}) || !c.SecurityContext.ReadOnlyRootFilesystem || !ds.Spec.Template.Spec.HostNetwork {
		t.Errorf("the DaemonSet gives more, or less, than this test does: %+v", c.SecurityContext)
	}
	b := bundle{
		Version: "1.0.0",
		Process: process{
			User: map[string]int{"uid": 0, "gid": 0}, Env: []string{"PATH=/usr/bin"}, Cwd: "/",
			Args:         []string{"/usr/bin/vrfredist"},
			Capabilities: map[string][]string{"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
		},
		Root:   map[string]any{"path": root, "readonly": true},
		Mounts: []mount{{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}}},
		Linux:  linux{Propagation: "rslave", Namespaces: []map[string]string{{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"}, {"type": "network", "path": "/run/netns/" + network.Name}}},
	}
	for _, word := range c.Args {
		b.Process.Args = append(b.Process.Args, strings.ReplaceAll(word, "$(NODE_NAME)", "node-1"))
	}
	hostPaths := map[string]string{}
	for _, v := range ds.Spec.Template.Spec.Volumes {
		hostPaths[v.Name] = filepath.Join(dir, v.Name)
		if v.HostPath != nil && v.HostPath.Path == "/run/netns" {
			hostPaths[v.Name] = v.HostPath.Path
		}
	}
	for _, m := range c.VolumeMounts {
		options := map[string][]string{"": {"bind", "rprivate"}, "HostToContainer": {"rbind", "rslave"}}[m.MountPropagation]
		if m.ReadOnly {
			options = append(options, "ro")
		}
		if err := os.MkdirAll(hostPaths[m.Name], 0o755); err != nil {
			t.Fatal(err)
		}
		b.Mounts = append(b.Mounts, mount{Destination: m.MountPath, Type: "bind", Source: hostPaths[m.Name], Options: options})
	}
	return b
}

// TestImageRuns runs the image as the DaemonSet has it, with its rights and mounts and with the
// configuration of its ConfigMap: the tenant's namespace comes while it runs, and goes. What the guide
// has somebody do in the pod is done as it is written, and so is how a pod's namespace gets a name.
func TestImageRuns(t *testing.T) {
	lab.NeedRoot(t)
	lab.Need(t, "crun", "ip", "unshare")
	needContainers(t)
	if !lab.InOwnRun(t, run) {
		return
	}
	l := lab.New(t, run)
	node := l.Namespace("node")
	ds, dir := cluster(t), t.TempDir()
	root := filepath.Join(dir, "root")
	archive, _ := makeImage(t)
	readImage(t, archive).root(t, runtime.GOARCH, root)
	b := containerOf(t, ds["DaemonSet"], root, dir, node)
	for name, text := range ds["ConfigMap"].Data {
		if err := os.WriteFile(filepath.Join(dir, "config", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	daemon := node.Start("the container", crun(t, dir, "daemon", b)...)
	ask := func(words ...string) string {
		// As somebody does it on the node.
		out, err := exec.Command(shipped(t), slices.Concat([]string{"--api", "unix://" + filepath.Join(dir, "socket/vrfredist.sock")}, words)...).CombinedOutput()
		if err != nil {
			return err.Error() + ": " + string(out) + daemon.Output()
		}
		return string(out)
	}
	has := func(what, want string) {
		t.Helper()
		lab.WaitFor(t, what, 2*lab.Patience, func() string {
			if out := ask("vrf"); !strings.Contains(out, want) {
				return out
			}
			return ""
		})
	}
	has("the VRF waits for its namespace", "netns tenant-a is not there")
	tenant := l.Called("tenant-a")
	tenant.IP("link", "add", "lan0", "type", "veth", "peer", "name", "lan1")
	tenant.IP("link", "set", "lan1", "up")
	tenant.IP("addr", "add", "192.168.1.1/24", "dev", "lan0")
	tenant.IP("link", "set", "lan0", "up")
	lab.WaitFor(t, "what the tenant's namespace has is announced", 2*lab.Patience, func() string {
		if out := ask("route", "import", "--vrf", "tenant-a"); !strings.Contains(out, "192.168.1.0/24") || !strings.Contains(out, "announced") {
			return out
		}
		return ""
	})
	probe := ds["DaemonSet"].Spec.Template.Spec.Containers[0].LivenessProbe.Exec.Command
	if out, err := exec.Command("crun", slices.Concat([]string{"--root", filepath.Join(dir, "crun"), "exec", "daemon"}, probe)...).CombinedOutput(); err != nil {
		t.Errorf("the probe %q: %v: %s", probe, err, out)
	}
	// As somebody does it in the pod.
	file := filepath.Join(dir, "config", "node-1.toml")
	text := ds["ConfigMap"].Data["node-1.toml"]
	if err := os.WriteFile(file, []byte(text+"    max_routes = 7\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	done := ""
	for _, line := range linesOf(t, "docs/guides/kubernetes.md", "kubectl -n vrfredist exec ") {
		_, command, _ := strings.Cut(strings.ReplaceAll(line, "NODE.toml", "node-1.toml"), " -- ")
		out, err := exec.Command("crun", slices.Concat([]string{"--root", filepath.Join(dir, "crun"), "exec", "daemon"}, strings.Fields(command))...).CombinedOutput()
		if done += string(out); err != nil {
			t.Errorf("%s: %v: %s", line, err, out)
		}
	}
	for _, want := range []string{"tenant-a  ready", "export.max_routes: 4000000 -> 7", "unless `vrfredist confirm` is run"} {
		if !strings.Contains(done, want) {
			t.Errorf("the commands of the guide do not say %q:\n%s", want, done)
		}
	}
	tenant.Delete()
	has("the namespace is gone", "netns tenant-a is not there")
	boundByName(t, l, has)
	daemon.Signal(unix.SIGTERM)
	if err := daemon.Wait(2 * lab.Patience); err != nil {
		t.Errorf("it does not end well: %v: %s", err, daemon.Output())
	}
}

// boundByName gives the namespace of a pod the tenant's name as the guide has it, and takes it back.
func boundByName(t *testing.T, l *lab.Lab, has func(what, want string)) {
	t.Helper()
	pod := l.Namespace("pod")
	sh := func(lines []string) {
		t.Helper()
		for _, line := range lines {
			if out, err := exec.Command("sh", "-ec", "path=/run/netns/"+pod.Name+"\n"+line).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v: %s", line, err, out)
			}
		}
	}
	t.Cleanup(func() { _ = exec.Command("sh", "-c", "umount /run/netns/tenant-a && rm /run/netns/tenant-a").Run() }) // the test has done it, unless it failed
	sh(linesOf(t, "docs/guides/kubernetes.md", "touch /run/netns/tenant-a"))
	has("a pod's namespace has the tenant's name", "tenant-a  ready")
	sh([]string{"umount /run/netns/tenant-a && rm /run/netns/tenant-a"})
	has("the name is taken back", "netns tenant-a is not there")
}

// linesOf are the lines of a document that begin so; there are some.
func linesOf(t *testing.T, document, begin string) (lines []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", document))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, begin) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	if len(lines) == 0 {
		t.Fatalf("%s has no line that begins with %q", document, begin)
	}
	return lines
}

// crun is the command that runs a container to its end. Debian's crun takes no machine that has both
// versions of control groups, so that it sees version 2 alone.
func crun(t *testing.T, dir, name string, b bundle) []string {
	t.Helper()
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(dir, "bundle-"+name)
	if err := errors.Join(os.MkdirAll(at, 0o755), os.WriteFile(filepath.Join(at, "config.json"), text, 0o600)); err != nil {
		t.Fatal(err)
	}
	return []string{"unshare", "--mount", "--propagation", "slave", "sh", "-ec",
		`umount -l /sys/fs/cgroup; mount -t cgroup2 cgroup /sys/fs/cgroup; cd "$0"; exec crun --root "$1" --cgroup-manager=disabled run "$2"`, at, filepath.Join(dir, "crun"), name}
}

// needContainers leaves a test out where crun cannot run a program of this host's in a container.
func needContainers(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	for _, name := range []string{"dev", "proc", "sys"} {
		if err := os.MkdirAll(filepath.Join(root, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	must(t, "cp", shipped(t), filepath.Join(root, "program"))
	b := bundle{
		Version: "1.0.0",
		Process: process{User: map[string]int{"uid": 0, "gid": 0}, Args: []string{"/program", "version"}, Env: []string{}, Cwd: "/"},
		Root:    map[string]any{"path": root, "readonly": true},
		Mounts:  []mount{{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{}}},
		Linux:   linux{Namespaces: []map[string]string{{"type": "pid"}, {"type": "mount"}}},
	}
	argv := crun(t, dir, "plain", b)
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		t.Skipf("left out: crun cannot start a container here: %v: %s", err, out)
	}
}
