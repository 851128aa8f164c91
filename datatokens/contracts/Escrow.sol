// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Anchor} from "./Anchor.sol";
import {Datatoken} from "./Datatoken.sol";
import {Payout, Registry, Sale} from "./Registry.sol";

/// @notice One dataset of a job, and how it is paid.
/// @param tokenId The asset.
/// @param maxPrice The most that the consumer pays, in units of the payment token; plays no part for a datatoken.
/// @param withDatatoken Whether one datatoken of the asset pays, instead of money.
/// @param proof That the consumer is on the asset's allow-list; empty where anyone may order.
struct OrderItem {
    uint256 tokenId;
    uint96 maxPrice;
    bool withDatatoken;
    bytes32[] proof;
}

/// @notice What a consumer orders: one job, on one or several datasets.
/// @param jobId The digest of the signed job request.
/// @param algorithm SHA-256 of the algorithm bundle.
/// @param deadline Unix time after which an order that wasn't settled can be refunded by anyone.
/// @param items One for each dataset; each is an order of its own.
struct OrderTerms {
    bytes32 jobId;
    bytes32 algorithm;
    uint40 deadline;
    OrderItem[] items;
}

/// @notice An ERC-2612 permission of the caller for this escrow.
/// @param token The ERC-20 that is permitted.
/// @param value Units of the token.
/// @param deadline Unix time until which the signature holds.
/// @param v Signature.
/// @param r Signature.
/// @param s Signature.
struct Permit {
    address token;
    uint256 value;
    uint256 deadline;
    uint8 v;
    bytes32 r;
    bytes32 s;
}

/// @title Holds the price of each job until it has run, or gives it back
/// @notice The invariants: the tokens held equal all credit plus the amounts of all open orders paid in money; an order
/// ends once, settled or refunded; only its provider settles it; after its deadline anyone can refund it; nothing that
/// strangers have open changes its cost; tokens leave only by `withdraw` of the caller's own credit.
/// @dev Every payment becomes credit in a ledger; nothing is pushed to anybody. Each function that moves tokens is
/// guarded against reentrance and, where tokens come in, counts what truly arrived.
contract Escrow is Anchor, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @notice Where an order stands.
    enum Status {
        None,
        Open,
        Settled,
        Refunded
    }

    /// @notice One dataset of one paid job. Two slots, of which a settlement needs the first alone.
    /// @dev Its provider is the asset's, which never changes.
    /// @param amount Units of the asset's payment token; zero when paid with a datatoken.
    /// @param deadline Unix time after which anyone can refund.
    /// @param tokenId The asset.
    /// @param status Where it stands.
    /// @param withDatatoken Whether it was paid with a datatoken instead of money.
    /// @param consumer Who ordered and paid.
    struct Order {
        uint96 amount;
        uint40 deadline;
        uint40 tokenId;
        Status status;
        bool withDatatoken;
        address consumer;
    }

    /// @notice The price is above what the buyer allows.
    /// @param price The price asked, in units of the payment token.
    /// @param maxPrice The most that the buyer pays.
    error EscrowPriceAboveMax(uint96 price, uint96 maxPrice);
    /// @notice The deadline is outside of what the owner allows.
    /// @param deadline Unix time after which anyone can refund.
    /// @param time The block's time.
    /// @param latest The latest unix time allowed.
    error EscrowDeadlineOutOfRange(uint40 deadline, uint256 time, uint256 latest);
    /// @notice This consumer ordered this job on this asset before.
    /// @param orderId The order.
    error EscrowOrderExists(bytes32 orderId);
    /// @notice The order isn't open: it never was, or it has ended.
    /// @param orderId The order.
    /// @param status Where it stands.
    error EscrowOrderNotOpen(bytes32 orderId, Status status);
    /// @notice Somebody other than the order's provider tried to settle it.
    /// @param orderId The order.
    /// @param caller Who tried.
    error EscrowNotProvider(bytes32 orderId, address caller);
    /// @notice Too early for a refund by anyone but the provider.
    /// @param orderId The order.
    /// @param deadline Unix time after which anyone can refund.
    error EscrowDeadlineNotReached(bytes32 orderId, uint40 deadline);
    /// @notice The credit is too small.
    /// @param token The ERC-20.
    /// @param account Whose credit.
    /// @param credit What stands, in units of the token.
    /// @param wanted What was asked, in units of the token.
    error EscrowCreditTooSmall(address token, address account, uint256 credit, uint256 wanted);
    /// @notice The token delivered another amount than it was asked to.
    /// @param token The ERC-20.
    /// @param expected What was asked for.
    /// @param received What arrived.
    error EscrowTokenTookFee(address token, uint256 expected, uint256 received);
    /// @notice A token or job id is zero, or an order has no items.
    /// @param field Its name.
    error EscrowZeroValue(string field);

    /// @notice Money came in.
    /// @param token The ERC-20.
    /// @param account Whose credit.
    /// @param amount Units of the token.
    event Deposited(address indexed token, address indexed account, uint256 amount);
    /// @notice Money went out.
    /// @param token The ERC-20.
    /// @param account Whose credit.
    /// @param amount Units of the token.
    event Withdrawn(address indexed token, address indexed account, uint256 amount);
    /// @notice A job was ordered and paid; its id is `getOrderId` of what is indexed.
    /// @param jobId The digest of the signed job request.
    /// @param consumer Who ordered.
    /// @param tokenId The asset.
    /// @param provider The provider.
    /// @param amount Units of the token.
    /// @param algorithm SHA-256 of the algorithm bundle.
    /// @param deadline Unix time after which anyone can refund.
    /// @param withDatatoken Whether a datatoken paid.
    event OrderPlaced(
        bytes32 indexed jobId,
        address indexed consumer,
        uint256 indexed tokenId,
        address provider,
        uint96 amount,
        bytes32 algorithm,
        uint40 deadline,
        bool withDatatoken
    );
    /// @notice A job has run, and its price is the owner's, the provider's and, for the rest, the community's.
    /// @param orderId The order.
    /// @param owner Who holds the data NFT.
    /// @param ownerAmount The owner's part, in units of the payment token.
    /// @param providerAmount The provider's part.
    event OrderSettled(bytes32 indexed orderId, address indexed owner, uint96 ownerAmount, uint96 providerAmount);
    /// @notice A job didn't run, and its price is the consumer's again.
    /// @param orderId The order.
    /// @param consumer Who ordered.
    /// @param amount Units of the token.
    event OrderRefunded(bytes32 indexed orderId, address indexed consumer, uint96 amount);
    /// @notice Datatokens were sold.
    /// @param tokenId The asset.
    /// @param buyer Who bought.
    /// @param amount Units of the token.
    /// @param cost What was paid, in units of the payment token.
    event DatatokensSold(uint256 indexed tokenId, address indexed buyer, uint256 amount, uint256 cost);

    uint256 private constant ONE_JOB = 1e18;
    uint256 private constant WHOLE_BPS = 10_000;

    /// @notice The registry of assets.
    Registry public immutable registry;

    /// @notice Credit by token and account.
    mapping(address token => mapping(address account => uint256 credit)) public balances;

    mapping(bytes32 orderId => Order order) private _orders;

    /// @param registry_ The registry that creates this escrow.
    constructor(Registry registry_) {
        registry = registry_;
    }

    // Credit --------------------------------------------------------------------------------------------------------

    /// @notice Pay into the caller's credit, from an allowance.
    /// @param token The ERC-20.
    /// @param amount Its units.
    function deposit(address token, uint256 amount) external nonReentrant {
        _deposit(token, amount);
    }

    /// @notice Pay into the caller's credit, with an ERC-2612 permission.
    /// @param amount Units of the token that is permitted.
    /// @param permit_ The permission; see `_usePermit`.
    function depositWithPermit(uint256 amount, Permit calldata permit_) external nonReentrant {
        _usePermit(permit_);
        _deposit(permit_.token, amount);
    }

    /// @notice Take out of the caller's credit.
    /// @param token The ERC-20.
    /// @param amount Its units.
    function withdraw(address token, uint256 amount) external nonReentrant {
        uint256 credit = balances[token][msg.sender];
        if (credit < amount) revert EscrowCreditTooSmall(token, msg.sender, credit, amount);
        balances[token][msg.sender] = credit - amount;
        emit Withdrawn(token, msg.sender, amount);
        IERC20(token).safeTransfer(msg.sender, amount);
    }

    // Orders --------------------------------------------------------------------------------------------------------

    /// @notice Order one job. Money comes from credit, and what is missing from an allowance; a datatoken is burned,
    /// and minted back if its order is refunded.
    /// @param terms What is ordered: all of it, or nothing.
    function order(OrderTerms calldata terms) external nonReentrant {
        _order(terms);
    }

    /// @notice Order one job, with an ERC-2612 permission for what is missing in the caller's credit.
    /// @param terms What is ordered.
    /// @param permit_ The permission; see `_usePermit`.
    function orderWithPermit(OrderTerms calldata terms, Permit calldata permit_) external nonReentrant {
        _usePermit(permit_);
        _order(terms);
    }

    /// @notice Buy datatokens at the asset's price; the money is the owner's, the provider's and the community's at once.
    /// @param tokenId The asset.
    /// @param amount Units of the datatoken; 10^18 are one job. The cost is rounded up.
    /// @param maxPrice The most that the buyer pays for one whole datatoken.
    /// @param proof That the buyer is on the asset's allow-list; empty where anyone may order.
    function buy(
        uint256 tokenId,
        uint256 amount,
        uint96 maxPrice,
        bytes32[] calldata proof
    ) external nonReentrant {
        Sale memory sale = registry.getOffer(tokenId, msg.sender, proof);
        if (sale.price > maxPrice) revert EscrowPriceAboveMax(sale.price, maxPrice);
        uint256 cost = Math.mulDiv(amount, sale.price, ONE_JOB, Math.Rounding.Ceil);
        _charge(sale.paymentToken, cost);
        _share(registry.getPayout(tokenId), cost);
        emit DatatokensSold(tokenId, msg.sender, amount, cost);
        Datatoken(registry.datatokenOf(tokenId)).mint(msg.sender, amount);
    }

    /// @notice Pay for a job that ran: its owner, its provider and its community. Only by the order's provider, while it is open, be it
    /// before or after the deadline.
    /// @param orderId The order.
    function settle(bytes32 orderId) external nonReentrant {
        _settle(orderId);
    }

    /// @notice Give an order's price back: by its provider at any time, because the job didn't run; by anyone after the
    /// deadline.
    /// @param orderId The order.
    function refund(bytes32 orderId) external nonReentrant {
        Payout memory payout = _open(orderId);
        uint40 deadline = _orders[orderId].deadline;
        if (msg.sender != payout.provider && block.timestamp <= deadline) {
            revert EscrowDeadlineNotReached(orderId, deadline);
        }
        _giveBack(orderId, payout.paymentToken);
    }

    /// @notice Settle and refund several orders of the caller; see `anchorAndSettle`.
    /// @param ran Orders whose jobs ran.
    /// @param notRun Orders whose jobs didn't.
    function settleMany(bytes32[] calldata ran, bytes32[] calldata notRun) external nonReentrant {
        _finish(ran, notRun);
    }

    /// @notice Anchor the caller's log, and settle and refund the orders whose receipts it holds.
    /// @dev All or nothing: an order that isn't open reverts with its id, since a batch that skipped it would claim to
    /// have settled what it did not. Who sends a batch leaves out what has ended; an order that a stranger refunds
    /// meanwhile can spoil a batch once, because it can end only once.
    /// @param size Number of log entries.
    /// @param root Merkle tree hash over them.
    /// @param ran Orders whose jobs ran.
    /// @param notRun Orders whose jobs didn't.
    function anchorAndSettle(
        uint64 size,
        bytes32 root,
        bytes32[] calldata ran,
        bytes32[] calldata notRun
    ) external nonReentrant {
        anchor(size, root);
        _finish(ran, notRun);
    }

    /// @notice An order; its provider is the asset's.
    /// @param orderId See `getOrderId`.
    /// @return Status `None` when there is none.
    function getOrder(bytes32 orderId) external view returns (Order memory) {
        return _orders[orderId];
    }

    /// @notice The id of a consumer's order for a job on an asset. It holds the consumer, so that no stranger can take
    /// the place.
    /// @param jobId The digest of the signed job request.
    /// @param consumer Who orders.
    /// @param tokenId The asset.
    /// @return The order's id.
    function getOrderId(bytes32 jobId, address consumer, uint256 tokenId) public pure returns (bytes32) {
        return keccak256(abi.encode(jobId, consumer, tokenId));
    }

    // Parts ---------------------------------------------------------------------------------------------------------

    function _order(OrderTerms calldata terms) private {
        if (terms.jobId == 0) revert EscrowZeroValue("jobId");
        if (terms.items.length == 0) revert EscrowZeroValue("items");
        for (uint256 i = 0; i < terms.items.length; ++i) {
            OrderItem calldata item = terms.items[i];
            Sale memory sale = registry.getSale(item.tokenId, terms.algorithm, msg.sender, item.proof);
            _place(terms, item, sale);
            if (item.withDatatoken) {
                Datatoken(registry.datatokenOf(item.tokenId)).burn(msg.sender, ONE_JOB);
            } else {
                _charge(sale.paymentToken, sale.price);
            }
        }
    }

    function _place(OrderTerms calldata terms, OrderItem calldata item, Sale memory sale) private {
        if (!item.withDatatoken && sale.price > item.maxPrice) {
            revert EscrowPriceAboveMax(sale.price, item.maxPrice);
        }
        _checkDeadline(terms.deadline, sale.maxDeadline);
        bytes32 orderId = getOrderId(terms.jobId, msg.sender, item.tokenId);
        if (_orders[orderId].status != Status.None) revert EscrowOrderExists(orderId);
        uint96 amount = item.withDatatoken ? 0 : sale.price;
        _orders[orderId] = Order({
            amount: amount,
            deadline: terms.deadline,
            tokenId: uint40(item.tokenId), // token ids are counted up from 1
            status: Status.Open,
            withDatatoken: item.withDatatoken,
            consumer: msg.sender
        });
        emit OrderPlaced(
            terms.jobId,
            msg.sender,
            item.tokenId,
            sale.provider,
            amount,
            terms.algorithm,
            terms.deadline,
            item.withDatatoken
        );
    }

    function _finish(bytes32[] calldata ran, bytes32[] calldata notRun) private {
        for (uint256 i = 0; i < ran.length; ++i) _settle(ran[i]);
        for (uint256 i = 0; i < notRun.length; ++i) {
            Payout memory payout = _open(notRun[i]);
            _checkProvider(notRun[i], payout.provider);
            _giveBack(notRun[i], payout.paymentToken);
        }
    }

    function _settle(bytes32 orderId) private {
        Payout memory payout = _open(orderId);
        _checkProvider(orderId, payout.provider);
        Order storage paid = _orders[orderId];
        paid.status = Status.Settled;
        (uint256 ownerAmount, uint256 providerAmount) = _share(payout, paid.amount);
        emit OrderSettled(orderId, payout.owner, uint96(ownerAmount), uint96(providerAmount)); // parts of a uint96
    }

    function _giveBack(bytes32 orderId, address paymentToken) private {
        Order storage paid = _orders[orderId];
        (address consumer, uint96 amount) = (paid.consumer, paid.amount);
        paid.status = Status.Refunded;
        emit OrderRefunded(orderId, consumer, amount);
        if (paid.withDatatoken) {
            Datatoken(registry.datatokenOf(paid.tokenId)).restore(consumer, ONE_JOB);
        } else {
            balances[paymentToken][consumer] += amount;
        }
    }

    /// @dev Credit the owner, the provider and the community; what rounding leaves is the owner's.
    function _share(
        Payout memory payout,
        uint256 amount
    ) private returns (uint256 ownerAmount, uint256 providerAmount) {
        if (amount == 0) return (0, 0);
        providerAmount = (amount * payout.providerShareBps) / WHOLE_BPS;
        uint256 communityAmount = (amount * payout.communityShareBps) / WHOLE_BPS;
        ownerAmount = amount - providerAmount - communityAmount;
        mapping(address => uint256) storage credit = balances[payout.paymentToken];
        if (ownerAmount != 0) credit[payout.owner] += ownerAmount;
        if (providerAmount != 0) credit[payout.provider] += providerAmount;
        if (communityAmount != 0) credit[payout.community] += communityAmount;
    }

    function _deposit(address token, uint256 amount) private {
        if (token == address(0)) revert EscrowZeroValue("token");
        balances[token][msg.sender] += amount;
        emit Deposited(token, msg.sender, amount);
        _pull(token, amount);
    }

    /// @dev Take `amount` from the caller's credit, and what is missing from the caller's allowance.
    function _charge(address token, uint256 amount) private {
        if (amount == 0) return;
        uint256 credit = balances[token][msg.sender];
        uint256 fromCredit = Math.min(credit, amount);
        if (fromCredit != 0) balances[token][msg.sender] = credit - fromCredit;
        if (fromCredit != amount) _pull(token, amount - fromCredit);
    }

    function _pull(address token, uint256 amount) private {
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = IERC20(token).balanceOf(address(this)) - before;
        if (received != amount) revert EscrowTokenTookFee(token, amount, received);
    }

    /// @dev A permission that somebody used up before us leaves the allowance that we need, so a failure here decides
    /// nothing: if the allowance is missing, the transfer fails and says so.
    function _usePermit(Permit calldata p) private {
        if (p.token.code.length == 0) revert EscrowZeroValue("token");
        try IERC20Permit(p.token).permit(msg.sender, address(this), p.value, p.deadline, p.v, p.r, p.s) {} catch {}
    }

    // Checks --------------------------------------------------------------------------------------------------------

    function _checkDeadline(uint40 deadline, uint40 maxDeadline) private view {
        uint256 latest = block.timestamp + maxDeadline;
        if (deadline <= block.timestamp || deadline > latest) {
            revert EscrowDeadlineOutOfRange(deadline, block.timestamp, latest);
        }
    }

    /// @dev Check that an order is open, and return who is paid and in what.
    function _open(bytes32 orderId) private view returns (Payout memory) {
        Order storage found = _orders[orderId];
        if (found.status != Status.Open) revert EscrowOrderNotOpen(orderId, found.status);
        return registry.getPayout(found.tokenId);
    }

    function _checkProvider(bytes32 orderId, address provider) private view {
        if (msg.sender != provider) revert EscrowNotProvider(orderId, msg.sender);
    }
}
