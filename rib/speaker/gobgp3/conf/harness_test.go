package conf

import (
	"testing"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf/conftest"
)

type obj = conftest.Obj

var (
	toJSON       = conftest.JSON
	baseConf     = conftest.Base
	vrfConf      = conftest.VRF
	neighborConf = conftest.Neighbor
	byInterface  = conftest.ByInterface
	inVRF        = conftest.InVRF
	set          = conftest.Set
	goodConf     = conftest.Good
	allFamilies  = conftest.Families()
)

func readConf(t testing.TB, c obj, extras rib.Extras) *Config {
	t.Helper()
	read, err := Read(toJSON(t, c), extras, nil)
	if err != nil {
		t.Fatal(err)
	}
	return read
}
