// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title A hostile token for tests: it keeps one part in a hundred of every transfer
contract FeeToken is ERC20 {
    constructor() ERC20("Fee TEST token", "tFEE") {}

    /// @notice Make `amount` units for the caller.
    /// @param amount Units.
    function faucet(uint256 amount) external {
        _mint(msg.sender, amount);
    }

    /// @inheritdoc ERC20
    function _update(address from, address to, uint256 value) internal override {
        if (from == address(0) || to == address(0)) {
            super._update(from, to, value);
            return;
        }
        super._update(from, to, value - value / 100);
        super._update(from, address(0), value / 100);
    }
}
