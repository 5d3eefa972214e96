package localnet

import (
	"fmt"
	"strings"
)

// subnetNames are the names that the runtime gives to subnets 0 to 57 while
// their owners have set none. Higher ones are "unknown" here; the runtime has
// letters of several alphabets for some of them.
var subnetNames = strings.Fields(`
root apex omron templar targon kaito infinite subvortex ptn pretrain sturdy dippy horde dataverse palaidn deval
bitads 3gen cortex inference bitagent any-any meta social omega protein alchemy compute oracle coldint bet naschain
itsai ready mind logic automata tuning distributed edge chunk sportsensor masa graphite score gen42 neural condense
nextplace automl audio celium dojo frontier safescan unknown gradients gaia`)

// subnetName is what the owner calls a subnet, else the runtime's own name.
func (s *storage) subnetName(netuid uint16) string {
	// The name is the first field of the identity.
	if name := vector(s.raw("SubnetIdentitiesV3", le16(netuid)), 1, readByte); len(name) > 0 {
		return string(name)
	}
	if int(netuid) < len(subnetNames) {
		return subnetNames[netuid]
	}
	return "unknown"
}

// nameSubnet gives a subnet an identity that has only a name.
func (e *env) nameSubnet(netuid uint16, name string) error {
	const path = "pallet_subtensor::pallet::SubnetIdentityV3"
	rec, err := e.rt.pick(path, map[string]any{"subnet_name": []byte(name)})
	if err != nil {
		return err
	}
	id, _ := e.rt.meta.TypeByPath(path)
	raw, err := e.rt.meta.EncodeValue(id, rec)
	if err != nil {
		return fmt.Errorf("naming subnet %d: %w", netuid, err)
	}
	e.setRaw("SubnetIdentitiesV3", raw, le16(netuid))
	return nil
}

// subnetToPrune is the subnet that a new one would replace: the cheapest by
// moving price, of equals the oldest, of those that are no longer immune.
func (s *storage) subnetToPrune(block uint64) (uint16, bool) {
	var best uint16
	found := false
	for _, netuid := range s.netuids() {
		id := le16(netuid)
		registered := s.u64("NetworkRegisteredAt", id)
		if netuid == 0 || block < satAdd(registered, s.u64("NetworkImmunityPeriod")) {
			continue
		}
		if found {
			bestID := le16(best)
			by := s.shares("SubnetMovingPrice", id).Cmp(s.shares("SubnetMovingPrice", bestID))
			if by > 0 || by == 0 && registered >= s.u64("NetworkRegisteredAt", bestID) {
				continue
			}
		}
		best, found = netuid, true
	}
	return best, found
}
