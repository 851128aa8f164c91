// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title A hostile token for tests: during a transfer it calls back into whatever it was told to
contract ReentrantToken is ERC20 {
    address private _target;
    bytes private _callData;

    constructor() ERC20("Reentrant TEST token", "tRE") {}

    /// @notice Make `amount` units for the caller.
    /// @param amount Units.
    function faucet(uint256 amount) external {
        _mint(msg.sender, amount);
    }

    /// @notice Call `target` with `callData` during each transfer from now on.
    /// @param target Whom to call; zero to stop.
    /// @param callData What to call.
    function arm(address target, bytes calldata callData) external {
        (_target, _callData) = (target, callData);
    }

    /// @inheritdoc ERC20
    /// @dev A revert of the call is passed on, so that a test sees why.
    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (_target == address(0)) return;
        (bool ok, bytes memory answer) = _target.call(_callData);
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(answer, 0x20), mload(answer))
            }
        }
    }
}
